// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/rfc2136.hpp"

#include <cstdlib>
#include <optional>
#include <utility>

#include <ldns/ldns.h>

#include "acme/solvers/dns/tsig.hpp"
#include "base/dns_exchange.hpp"
#include "base/encoding.hpp"
#include "base/openssl.hpp"

namespace acme {

namespace {

using base::Code;
using base::Result;

constexpr base::Milliseconds kPatience{10'000};  // for one address over one protocol
constexpr std::uint16_t kBadSig = 16;
constexpr std::uint16_t kBadKey = 17;
constexpr std::uint16_t kBadTime = 18;

using PacketPtr = std::unique_ptr<ldns_pkt, base::Deleter<ldns_pkt_free>>;

struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
};

enum class Change { Add, Delete };

ldns_rr* new_record(const std::string& name, ldns_rr_type type, ldns_rr_class in_class) {
    ldns_rr* record = ldns_rr_new();
    if (record == nullptr) return nullptr;
    ldns_rr_set_owner(record, ldns_dname_new_frm_str(name.c_str()));
    ldns_rr_set_type(record, type);
    ldns_rr_set_class(record, in_class);
    ldns_rr_set_ttl(record, 0);
    return record;
}

/// RFC 2136 §2.5: an addition has the zone's class (§2.5.1), a deletion of one value class NONE and no TTL
/// (§2.5.4). Others at the name are left alone by both.
Result<std::string> update_message(const TxtRecord& record, const std::string& zone, Change change,
                                   std::uint16_t id) {
    const std::string value = std::string(1, static_cast<char>(record.value.size())) + record.value;
    const PacketPtr packet(ldns_pkt_new());
    ldns_rr* const where = new_record(zone, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
    ldns_rr* const what = new_record(record.name, LDNS_RR_TYPE_TXT,
                                     change == Change::Add ? LDNS_RR_CLASS_IN : LDNS_RR_CLASS_NONE);
    ldns_rr_set_question(where, true);
    if (change == Change::Add) ldns_rr_set_ttl(what, record.ttl);
    ldns_rr_push_rdf(what, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, value.size(), value.data()));
    ldns_pkt_set_id(packet.get(), id);
    ldns_pkt_set_opcode(packet.get(), LDNS_PACKET_UPDATE);
    ldns_pkt_push_rr(packet.get(), LDNS_SECTION_QUESTION, where);
    ldns_pkt_push_rr(packet.get(), LDNS_SECTION_AUTHORITY, what);
    std::uint8_t* wire = nullptr;
    std::size_t size = 0;
    if (ldns_pkt2wire(&wire, packet.get(), &size) != LDNS_STATUS_OK) {
        return base::fail(Code::InternalUnexpected, "no DNS update can be made for " + record.name);
    }
    const std::unique_ptr<std::uint8_t, Free> owner(wire);
    return std::string(reinterpret_cast<const char*>(wire), size);
}

bool is_answer_to(std::string_view bytes, std::uint16_t id) {
    const auto byte = [bytes](std::size_t at) {
        return static_cast<unsigned>(static_cast<unsigned char>(bytes[at]));
    };
    // QR set and opcode UPDATE (5).
    return bytes.size() >= 12 && ((byte(0) << 8U) | byte(1)) == id && (byte(2) & 0xF8U) == 0xA8U;
}

/// What the server said, and who it is, for messages.
struct Said {
    std::string who{};  // "ns1.example.com (192.0.2.1)"
    std::string zone{};
    std::string name{};
    int rcode = 0;
    TsigAnswer signature{};
};

std::string clock_difference(base::Instant server, base::Instant ours) {
    const auto ahead = (ours - server).count();
    return "this machine's clock is " + std::to_string(std::abs(ahead)) + " s " +
           (ahead < 0 ? "behind" : "ahead of") + " the server's";
}

base::Failure refused_key(const Said& said, const TsigKey& key, base::Instant now) {
    switch (said.signature.error) {
        case kBadKey:
            return base::fail(Code::ProviderDenied,
                              said.who + " does not know the TSIG key " + key.name + " (" + key.algorithm +
                                  "), or it may not do this (BADKEY)",
                              "compare the key's name and algorithm with the server's configuration, and "
                              "whether the key may update " +
                                  said.name);
        case kBadSig:
            return base::fail(Code::ProviderDenied,
                              said.who + " has another secret for the TSIG key " + key.name + " (BADSIG)",
                              "compare the secret with the server's key file");
        case kBadTime:
            return base::fail(
                Code::ProviderDenied,
                said.who + " does not take our signature for a new one (BADTIME): " +
                    clock_difference(said.signature.server.value_or(said.signature.time_signed), now),
                "let both clocks be set by NTP; up to 300 s are well");
        default:
            return base::fail(Code::ProviderDenied, said.who + " refuses our signature with the TSIG key " +
                                                        key.name + " (error " +
                                                        std::to_string(said.signature.error) + ")");
    }
}

base::Failure refused(const Said& said, const std::string& key) {
    switch (said.rcode) {
        case LDNS_RCODE_REFUSED:
            return base::fail(Code::ProviderDenied,
                              said.who + " refuses to change " + said.name + " (REFUSED)",
                              "the server's configuration says who may update what: BIND's update-policy, "
                              "Knot's acl, PowerDNS's TSIG-ALLOW-DNSUPDATE");
        case LDNS_RCODE_NOTAUTH:
            return base::fail(
                Code::ProviderNoZone,
                said.who + " does not have the zone " + said.zone + ", or refuses " + key + " (NOTAUTH)",
                "name the primary server of the zone as `server`, and the zone as `zone` if it "
                "is another one; without `tsig` some servers say this, too");
        case LDNS_RCODE_NOTZONE:
            return base::fail(
                Code::ProviderNoZone,
                said.name + " is not in the zone " + said.zone + ", says " + said.who + " (NOTZONE)",
                "leave `zone` away, and it is found by its SOA");
        case LDNS_RCODE_NOTIMPL:
            return base::fail(Code::ProviderDenied, said.who + " takes no dynamic updates (NOTIMP)");
        case LDNS_RCODE_FORMERR:
            return base::fail(Code::ProviderProtocol, said.who + " does not understand our update (FORMERR)");
        case LDNS_RCODE_SERVFAIL:
            return base::fail(Code::ProviderFailed, said.who + " could not make the change (SERVFAIL)",
                              "the server's log says why");
        default:
            return base::fail(Code::ProviderFailed, said.who + " does not change " + said.name + " (rcode " +
                                                        std::to_string(said.rcode) + ")");
    }
}

/// An answer that says "done" counts only with a signature that is right.
Result<void> judge(const Said& said, const std::optional<TsigKey>& key, base::Instant now) {
    if (key && said.signature.error != 0) return refused_key(said, *key, now);
    if (said.rcode != LDNS_RCODE_NOERROR) {
        return refused(
            said, key ? "the TSIG key " + key->name + " (" + key->algorithm + ")" : "to hear us unsigned");
    }
    if (!key) return {};
    if (!said.signature.is_genuine) {
        return base::fail(Code::ProviderProtocol,
                          said.who + " says that it is done, but " +
                              (said.signature.is_present ? "the signature of its answer is wrong"
                                                         : "its answer is not signed") +
                              ": anybody could have sent it");
    }
    const auto apart = now - said.signature.time_signed;
    if (std::chrono::abs(apart) <= base::Seconds(said.signature.fudge)) return {};
    return base::fail(Code::ProviderProtocol, said.who + " sends an answer signed at another time: " +
                                                  clock_difference(said.signature.time_signed, now));
}

class Rfc2136 final : public DnsProvider {
  public:
    Rfc2136(ProviderSettings settings, const ProviderEffects& effects)
        : settings_(std::move(settings)), dns_(effects.dns), clock_(effects.clock) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(change(record, Change::Add));
        return base::Seconds{0};
    }

    Result<void> clean_up(const TxtRecord& record) override { return change(record, Change::Delete); }

  private:
    [[nodiscard]] std::string text(const std::string& key) const {
        const auto found = settings_.texts.find(key);
        return found == settings_.texts.end() ? std::string() : found->second;
    }

    /// Nothing where updates are not signed.
    [[nodiscard]] Result<std::optional<TsigKey>> key() const {
        const std::string name = text("tsig.name");
        if (name.empty()) return std::nullopt;
        const base::Secret secret = TRY(base::read_secret(settings_.secrets.at("tsig.secret")));
        const std::string algorithm = text("tsig.algorithm");
        return TRY(make_tsig_key(name, algorithm.empty() ? "hmac-sha256" : algorithm, secret));
    }

    [[nodiscard]] Result<std::string> zone_for(const TxtRecord& record) const {
        const std::string zone = text("zone");
        if (!zone.empty()) return base::dns_name(zone);
        if (!record.zone.empty()) return record.zone;
        return TRY(dns_.zone_of(record.name)).apex;
    }

    [[nodiscard]] Result<void> change(const TxtRecord& record, Change change) const {
        if (record.value.empty() || record.value.size() > 255) {
            return base::fail(Code::InternalUnexpected, "no TXT value: " + base::printable(record.value, 80));
        }
        const std::string server = text("server");
        const auto found = dns_.find_server(server);
        if (!found) {
            base::Error error = found.error();
            if (error.code == Code::DnsUnreachable) error.code = Code::ProviderUnreachable;
            return base::Failure(
                std::move(error).within("the DNS server of [solver." + settings_.solver + "]"));
        }
        const std::string zone = TRY(zone_for(record));
        const std::optional<TsigKey> tsig = TRY(key());
        Result<void> outcome;
        for (const base::DnsServer& address : found->addresses) {
            const std::string at = base::to_string(address);
            Said said{.who = at == server ? at : server + " (" + at + ")", .zone = zone, .name = record.name};
            outcome = change_at(address, record, change, tsig, said);
            if (outcome || outcome.error().code != Code::ProviderUnreachable) break;
        }
        return outcome;
    }

    Result<void> change_at(const base::DnsServer& address, const TxtRecord& record, Change change,
                           const std::optional<TsigKey>& tsig, Said& said) const {
        const std::uint16_t id = base::random_dns_id();
        SignedMessage request{.message = TRY(update_message(record, said.zone, change, id))};
        if (tsig) request = sign_message(request.message, *tsig, clock_.now());
        const auto answer = exchange(address, request.message, id);
        if (!answer) {
            const bool silent = answer.error().code == Code::DnsUnreachable;
            return base::fail(silent ? Code::ProviderUnreachable : Code::ProviderProtocol,
                              "DNS update of " + record.name + ": " + answer.error().message,
                              silent ? "is this the zone's primary server, and port 53 open over TCP?" : "");
        }
        said.rcode = static_cast<unsigned char>((*answer)[3]) & 0x0F;
        if (tsig) {
            const auto signature = check_tsig(*answer, *tsig, request.mac);
            if (!signature) {
                return base::fail(Code::ProviderProtocol, said.who + " sends an answer that cannot be read");
            }
            said.signature = *signature;
        }
        return judge(said, tsig, clock_.now());
    }

    /// TCP, because an update over UDP that gets no answer may have been made or not; UDP where a server has
    /// no TCP.
    [[nodiscard]] static Result<std::string> exchange(const base::DnsServer& address,
                                                      std::string_view message, std::uint16_t id) {
        const base::SystemClock clock;
        auto answer = base::exchange_over_tcp(address, message, clock.steady() + kPatience);
        if (!answer && answer.error().code == Code::DnsUnreachable) {
            const auto ours = [id](std::string_view bytes) { return is_answer_to(bytes, id); };
            auto second = base::exchange_over_udp(address, message, clock.steady() + kPatience, ours);
            return second ? second : answer;
        }
        if (answer && !is_answer_to(*answer, id)) {
            return base::fail(Code::DnsFailed, base::to_string(address) + " sends what is no answer to it");
        }
        return answer;
    }

    ProviderSettings settings_;
    const base::Dns& dns_;
    base::Clock& clock_;
};

Result<std::unique_ptr<DnsProvider>> make(const ProviderSettings& settings, const ProviderEffects& effects) {
    const std::string where = "[solver." + settings.solver + "]: ";
    const bool named = settings.texts.contains("tsig.name");
    if (named != settings.secrets.contains("tsig.secret")) {
        return base::fail(Code::ConfigMissing,
                          where + (named ? "the TSIG key has no secret" : "the TSIG key has no name"),
                          "tsig = { name = \"acme.\", algorithm = \"hmac-sha256\", secret_file = \"…\" }");
    }
    // Wrong names and algorithms are told before anything is to be changed; the secret itself is read then.
    const auto algorithm = settings.texts.find("tsig.algorithm");
    if (named) {
        const auto probe = make_tsig_key(
            settings.texts.at("tsig.name"),
            algorithm == settings.texts.end() ? "hmac-sha256" : algorithm->second, base::Secret("AA=="));
        if (!probe)
            return base::Failure(base::Error(probe.error()).within("[solver." + settings.solver + "]"));
    }
    return std::make_unique<Rfc2136>(settings, effects);
}

}  // namespace

std::vector<ProviderKind> rfc2136_kinds() {
    using Kind = ProviderKey::Kind;
    return {
        {.name = "rfc2136",
         .keys = {{.name = "server",
                   .kind = Kind::Text,
                   .is_required = true,
                   .meaning = "the zone's primary server: a host or an address, with or without a port"},
                  {.name = "zone", .kind = Kind::Text, .meaning = "the zone, if it is not found by its SOA"},
                  {.name = "tsig.name", .kind = Kind::Text, .meaning = "the name of the TSIG key"},
                  {.name = "tsig.algorithm",
                   .kind = Kind::Text,
                   .meaning = "hmac-sha256 (default), hmac-sha512, hmac-sha384, hmac-sha224 or hmac-sha1"},
                  {.name = "tsig.secret", .kind = Kind::Secret, .meaning = "the TSIG secret, in base64"}},
         .make = make}};
}

}  // namespace acme
