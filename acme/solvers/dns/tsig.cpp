// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/tsig.hpp"

#include <algorithm>
#include <array>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/dns.hpp"
#include "base/encoding.hpp"

namespace acme {

namespace {

using base::Code;
using base::Result;

constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kPointersMax = 64;
constexpr std::uint16_t kTsig = 250;
constexpr std::uint16_t kAny = 255;
constexpr std::uint16_t kFudge = 300;  // RFC 8945 §10 recommends it
constexpr std::uint16_t kBadTime = 18;

struct Algorithm {
    std::string_view name{};
    const EVP_MD* (*digest)();
};

constexpr std::array kAlgorithms{
    Algorithm{"hmac-sha256", &EVP_sha256}, Algorithm{"hmac-sha512", &EVP_sha512},
    Algorithm{"hmac-sha384", &EVP_sha384}, Algorithm{"hmac-sha224", &EVP_sha224},
    Algorithm{"hmac-sha1", &EVP_sha1},
};

const Algorithm* find_algorithm(std::string_view name) {
    const auto* const found = std::ranges::find(kAlgorithms, name, &Algorithm::name);
    return found == kAlgorithms.end() ? nullptr : found;
}

/// `size` bytes, the highest first.
std::string number(std::uint64_t value, unsigned size) {
    std::string bytes;
    for (unsigned i = size; i-- > 0;) bytes += static_cast<char>((value >> (8U * i)) & 0xFFU);
    return bytes;
}

char lower(char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}

/// The wire form of a name without escapes: keys and algorithms have none.
std::string wire_name(std::string_view name) {
    std::string wire;
    while (!name.empty() && name != ".") {
        const std::size_t size = std::min(name.find('.'), name.size());
        wire += static_cast<char>(size);
        wire += name.substr(0, size);
        name.remove_prefix(std::min(size + 1, name.size()));
    }
    return wire + '\0';
}

/// Reads a message from front to back; whatever is not there is nothing.
class Reader {
  public:
    explicit Reader(std::string_view message, std::size_t at = 0) : message_(message), at_(at) {}

    [[nodiscard]] std::size_t at() const { return at_; }

    std::optional<std::string_view> bytes(std::size_t size) {
        if (message_.size() - at_ < size) return std::nullopt;
        const std::string_view found = message_.substr(at_, size);
        at_ += size;
        return found;
    }

    std::optional<std::uint64_t> number(std::size_t size) {
        const auto found = bytes(size);
        if (!found) return std::nullopt;
        std::uint64_t value = 0;
        for (const char byte : *found) value = (value << 8U) | static_cast<unsigned char>(byte);
        return value;
    }

    /// Uncompressed and in lower case.
    std::optional<std::string> name() {
        std::string wire;
        std::optional<std::size_t> behind;
        for (std::size_t pointers = 0; wire.size() < 256;) {
            const auto size = number(1);
            if (!size) return std::nullopt;
            if (*size >= 0xC0) {
                const auto low = number(1);
                const std::size_t target = ((*size & 0x3FU) << 8U) | low.value_or(0);
                if (!low || ++pointers > kPointersMax || target >= message_.size()) return std::nullopt;
                if (!behind) behind = at_;
                at_ = target;
                continue;
            }
            const auto label = *size < 64 ? bytes(*size) : std::nullopt;
            if (!label) return std::nullopt;
            wire += static_cast<char>(*size);
            std::ranges::transform(*label, std::back_inserter(wire), lower);
            if (*size > 0) continue;
            if (behind) at_ = *behind;
            return wire;
        }
        return std::nullopt;
    }

  private:
    std::string_view message_;
    std::size_t at_;
};

/// The last additional record, if it is a TSIG.
struct TsigRecord {
    std::size_t start = 0;  // where it begins in the message
    std::string name{};     // wire form
    std::string algorithm{};
    std::uint64_t time = 0;
    std::uint16_t fudge = 0;
    std::string mac{};
    std::uint16_t original_id = 0;
    std::uint16_t error = 0;
    std::string other{};
};

/// Behind its type, at its class.
bool read_tsig(Reader& reader, TsigRecord& record) {
    const auto type_class = reader.number(2);
    const auto ttl = reader.number(4);
    const auto size = reader.number(2);
    const auto algorithm = reader.name();
    const auto time = reader.number(6);
    const auto fudge = reader.number(2);
    const auto mac = reader.bytes(reader.number(2).value_or(0));
    const auto id = reader.number(2);
    const auto error = reader.number(2);
    const auto other_size = reader.number(2);
    const auto other = reader.bytes(other_size.value_or(0));
    if (!type_class || *type_class != kAny || !ttl || !size || !algorithm || !time || !fudge || !mac || !id ||
        !error || !other_size || !other) {
        return false;
    }
    record.algorithm = *algorithm;
    record.time = *time;
    record.fudge = static_cast<std::uint16_t>(*fudge);
    record.mac = *mac;
    record.original_id = static_cast<std::uint16_t>(*id);
    record.error = static_cast<std::uint16_t>(*error);
    record.other = *other;
    return true;
}

enum class Found { Nothing, Tsig, Garbage };

/// Walks over every record to the last one (RFC 8945 §5.3: nowhere else may it be).
Found find_tsig(std::string_view message, TsigRecord& record) {
    Reader reader(message, 4);
    std::array<std::uint64_t, 4> counts{};
    for (auto& count : counts) {
        const auto found = reader.number(2);
        if (!found) return Found::Garbage;
        count = *found;
    }
    for (std::uint64_t i = 0; i < counts[0]; ++i) {
        if (!reader.name() || !reader.bytes(4)) return Found::Garbage;
    }
    const std::uint64_t total = counts[1] + counts[2] + counts[3];
    for (std::uint64_t i = 0; i < total; ++i) {
        record.start = reader.at();
        const auto name = reader.name();
        const auto type = reader.number(2);
        if (!name || !type) return Found::Garbage;
        if (*type == kTsig && i + 1 == total && counts[3] > 0) {
            record.name = *name;
            return read_tsig(reader, record) && reader.at() == message.size() ? Found::Tsig : Found::Garbage;
        }
        if (!reader.bytes(6)) return Found::Garbage;
        const auto size = reader.number(2);
        if (!size || !reader.bytes(*size)) return Found::Garbage;
    }
    return Found::Nothing;
}

/// RFC 8945 §4.3.3: what is signed of the record itself.
std::string signed_variables(const TsigRecord& record) {
    return record.name + number(kAny, 2) + number(0, 4) + record.algorithm + number(record.time, 6) +
           number(record.fudge, 2) + number(record.error, 2) + number(record.other.size(), 2) + record.other;
}

std::string mac_of(const TsigKey& key, std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    const Algorithm* algorithm = find_algorithm(key.algorithm);
    const std::string& secret = key.secret.reveal();
    if (algorithm == nullptr || HMAC(algorithm->digest(), secret.data(), static_cast<int>(secret.size()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                                     mac.data(), &size) == nullptr) {
        return {};
    }
    return {reinterpret_cast<const char*>(mac.data()), size};
}

std::uint64_t seconds(base::Instant instant) {
    return static_cast<std::uint64_t>(instant.time_since_epoch().count());
}

base::Instant instant(std::uint64_t seconds_since) {
    return base::Instant{base::Seconds(static_cast<std::int64_t>(seconds_since))};
}

std::optional<base::Secret> decode_base64(const std::string& text) {
    std::string bytes(text.size() / 4 * 3 + 3, '\0');
    if (text.empty() || text.size() % 4 != 0 || text.size() > 4096) return std::nullopt;
    const int size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    base::Secret secret;
    if (size > static_cast<int>(padding)) {
        secret = base::Secret(bytes.substr(0, static_cast<std::size_t>(size) - padding));
    }
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return secret.empty() ? std::nullopt : std::optional(std::move(secret));
}

}  // namespace

Result<TsigKey> make_tsig_key(std::string_view name, std::string_view algorithm, const base::Secret& secret) {
    TsigKey key{.name = TRY(base::dns_name(name)), .algorithm = std::string(algorithm)};
    if (key.algorithm.ends_with('.')) key.algorithm.pop_back();
    std::ranges::transform(key.algorithm, key.algorithm.begin(), lower);
    if (key.name.find('\\') != std::string::npos) {
        return base::fail(Code::ConfigWrongValue,
                          "\"" + base::printable(name, 80) + "\" is no name of a TSIG key");
    }
    if (find_algorithm(key.algorithm) == nullptr) {
        return base::fail(
            Code::ConfigWrongValue,
            "\"" + base::printable(algorithm, 80) + "\" is no TSIG algorithm that is known here",
            "one of hmac-sha256, hmac-sha512, hmac-sha384, hmac-sha224, hmac-sha1");
    }
    auto bytes = decode_base64(secret.reveal());
    if (!bytes) {
        return base::fail(Code::ConfigWrongValue, "the secret of the TSIG key " + key.name + " is not base64",
                          "it is what stands behind `secret` in the key file of the name server");
    }
    key.secret = *std::move(bytes);
    return key;
}

SignedMessage sign_message(std::string_view message, const TsigKey& key, base::Instant now) {
    TsigRecord record{.name = wire_name(key.name),
                      .algorithm = wire_name(key.algorithm),
                      .time = seconds(now),
                      .fudge = kFudge};
    SignedMessage made{.message = std::string(message),
                       .mac = mac_of(key, std::string(message) + signed_variables(record))};
    const std::string data = record.algorithm + number(record.time, 6) + number(record.fudge, 2) +
                             number(made.mac.size(), 2) + made.mac + std::string(message.substr(0, 2)) +
                             number(0, 2) + number(0, 2);
    made.message +=
        record.name + number(kTsig, 2) + number(kAny, 2) + number(0, 4) + number(data.size(), 2) + data;
    const auto additional = Reader(message, 10).number(2).value_or(0) + 1;
    made.message.replace(10, 2, number(additional, 2));
    return made;
}

std::optional<TsigAnswer> check_tsig(std::string_view answer, const TsigKey& key,
                                     std::string_view request_mac) {
    TsigRecord record;
    const Found found = answer.size() < kHeaderSize ? Found::Garbage : find_tsig(answer, record);
    if (found == Found::Garbage) return std::nullopt;
    if (found == Found::Nothing) return TsigAnswer{};
    TsigAnswer checked{.is_present = true,
                       .error = record.error,
                       .time_signed = instant(record.time),
                       .fudge = record.fudge};
    if (record.error == kBadTime && record.other.size() == 6) {
        checked.server = instant(Reader(record.other).number(6).value_or(0));
    }
    // RFC 8945 §5.3: the message as it was before its signature, with the id it was signed with.
    std::string bare(answer.substr(0, record.start));
    bare.replace(0, 2, number(record.original_id, 2));
    bare.replace(10, 2, number(Reader(answer, 10).number(2).value_or(1) - 1, 2));
    const std::string mac = mac_of(
        key, number(request_mac.size(), 2) + std::string(request_mac) + bare + signed_variables(record));
    checked.is_genuine = record.name == wire_name(key.name) && record.algorithm == wire_name(key.algorithm) &&
                         !mac.empty() && mac.size() == record.mac.size() &&
                         CRYPTO_memcmp(mac.data(), record.mac.data(), mac.size()) == 0;
    return checked;
}

}  // namespace acme
