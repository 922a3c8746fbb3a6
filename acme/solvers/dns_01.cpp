// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns_01.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "acme/solvers/dns/delegation.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr std::size_t kAccountBytes = 10;  // of the digest, as acme-dns-account-label §3.1 wants it

/// RFC 4648 §6 in lower case, for a number of bits that five divides: no padding.
std::string base32(std::string_view bytes) {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
    std::string out;
    unsigned int held = 0;
    unsigned int bits = 0;
    for (const char byte : bytes) {
        held = held << 8U | static_cast<unsigned char>(byte);
        for (bits += 8; bits >= 5; bits -= 5) out += kAlphabet[held >> (bits - 5) & 31U];
    }
    return out;
}

class DnsSolver final : public Solver {
  public:
    DnsSolver(const DnsSolverSettings& settings, DnsSolverEffects effects)
        : settings_(settings), effects_(std::move(effects)) {}

    [[nodiscard]] std::string_view type() const override {
        return settings_.challenge == DnsChallenge::Dns01 ? "dns-01" : "dns-account-01";
    }

    Result<void> present(const ChallengeTask& task) override {
        if (task.identifier.type != base::IdentifierType::Dns) {
            return base::fail(Code::SolverPresent,
                              task.identifier.value + " is an address, which DNS cannot prove (RFC 8738 §7)",
                              "an address needs a solver of type http-01 or tls-alpn-01");
        }
        TxtRecord record = TRY(record_of(task));
        const base::Seconds wait = TRY(effects_.provider->present(record));
        const std::scoped_lock lock(mutex_);
        presented_[key_of(task)] = {.record = std::move(record), .look_at = effects_.clock.steady() + wait};
        return {};
    }

    Result<void> wait_until_seen(std::span<const ChallengeTask> tasks) override {
        std::vector<ExpectedTxt> records;
        base::Steady look_at{};
        for (const ChallengeTask& task : tasks) {
            const std::scoped_lock lock(mutex_);
            const auto found = presented_.find(key_of(task));
            if (found == presented_.end()) continue;
            records.push_back({.name = found->second.record.name, .value = found->second.record.value});
            look_at = std::max(look_at, found->second.look_at);
        }
        if (records.empty()) return {};
        const auto wait = std::chrono::ceil<base::Milliseconds>(look_at - effects_.clock.steady());
        if (wait > base::Milliseconds{0}) effects_.clock.sleep(wait);
        return effects_.wait(records);
    }

    Result<void> clean_up(const ChallengeTask& task) override {
        if (task.identifier.type != base::IdentifierType::Dns) return {};
        std::optional<TxtRecord> record;
        {
            const std::scoped_lock lock(mutex_);
            if (const auto found = presented_.find(key_of(task)); found != presented_.end()) {
                record = std::move(found->second.record);
                presented_.erase(found);
            }
        }
        // What an earlier run left behind is where it would be put now.
        if (!record) record = TRY(record_of(task));
        return effects_.provider->clean_up(*record);
    }

  private:
    struct Presented {
        TxtRecord record{};
        base::Steady look_at{};  // not before this: what the provider asked for
    };

    using Key = std::pair<std::string, std::string>;

    [[nodiscard]] std::string name_of(const ChallengeTask& task) const {
        return settings_.challenge == DnsChallenge::Dns01
                   ? dns_01_name(task.identifier)
                   : dns_account_01_name(task.identifier, task.account_url);
    }

    [[nodiscard]] Key key_of(const ChallengeTask& task) const {
        return {name_of(task), dns_01_value(task.key_authorization)};
    }

    /// Where the value belongs.
    [[nodiscard]] Result<TxtRecord> record_of(const ChallengeTask& task) const {
        TxtRecord record{.name = name_of(task),
                         .value = dns_01_value(task.key_authorization),
                         .ttl = settings_.ttl,
                         .task = task};
        if (effects_.provider->takes_names_as_asked()) return record;
        record.name = TRY(find_delegate(effects_.dns, record.name));
        record.zone = TRY(effects_.dns.zone_of(record.name)).apex;
        return record;
    }

    DnsSolverSettings settings_;
    DnsSolverEffects effects_;
    std::mutex mutex_;
    std::map<Key, Presented> presented_;
};

}  // namespace

std::string dns_01_name(const base::Identifier& identifier) {
    return "_acme-challenge." + identifier.value.substr(identifier.is_wildcard() ? 2 : 0) + ".";
}

std::string dns_account_01_name(const base::Identifier& identifier, std::string_view account_url) {
    const std::string label = base32(base::sha256(account_url).substr(0, kAccountBytes));
    return "_" + label + "." + dns_01_name(identifier);
}

std::string dns_01_value(std::string_view key_authorization) {
    return base::base64url(base::sha256(key_authorization));
}

std::unique_ptr<Solver> make_dns_solver(const DnsSolverSettings& settings, DnsSolverEffects effects) {
    return std::make_unique<DnsSolver>(settings, std::move(effects));
}

}  // namespace acme
