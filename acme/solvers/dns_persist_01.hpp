// SPDX-License-Identifier: Apache-2.0
// dns-persist-01 (draft-ietf-acme-dns-persist): a record that the user adds once, and that names the CA and
// our account there. Nothing is written for a challenge; the record is looked for before the CA is told to,
// and the one to add is named where it is missing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "acme/solvers/solver.hpp"
#include "base/clock.hpp"
#include "base/dns.hpp"

namespace acme {

/// A TXT record as it should stand in a zone.
struct PersistRecord {
    std::string name{};   // "_validation-persist.example.com."
    std::string value{};  // "ca.example; accounturi=https://…; policy=wildcard"
};

/// The record that fulfils the challenge, for the first name that the CA goes by. Pure.
[[nodiscard]] PersistRecord record_for(const ChallengeTask& task);
/// The record as a line of a zone file, its value in strings of 255 bytes at most (RFC 1035 §3.3). Pure.
[[nodiscard]] std::string zone_line(const PersistRecord& record);

/// What the TXT values found at the name are worth for a challenge; the best one counts.
struct PersistJudgement {
    enum class State {
        Missing,       // none is for this CA
        OtherAccount,  // for this CA, but of another account
        OtherIssuer,   // of our account, but under none of the names that the CA goes by
        Unreadable,    // for this CA, but a parameter stands twice or persistUntil is no time
        NoWildcard,    // without policy=wildcard, which this name needs
        Ended,         // persistUntil has passed
        Good,
    };
    State state = State::Missing;
    std::optional<base::Instant> until{};  // persistUntil of that value
};

/// Pure. The grammar is that of CAA issue values (RFC 8659 §4.2); parameters nobody knows are ignored.
[[nodiscard]] PersistJudgement judge_persist_values(const std::vector<std::string>& values,
                                                    const ChallengeTask& task, base::Instant now);

/// The TXT values at a name, as one server gave them.
struct TxtAnswer {
    std::string server{};  // for messages
    std::vector<std::string> values{};
};

/// All that is known about the TXT records at a name (following CNAMEs), from each server asked.
using TxtReader = std::function<base::Result<std::vector<TxtAnswer>>(const std::string& name)>;

/// Every authoritative server of the zone, at its first address that answers; those that do not answer are
/// left out, unless all are (dns/unreachable). `authoritative` false: the resolvers, for names that the world
/// does not know. Blocks.
[[nodiscard]] base::Result<std::vector<TxtAnswer>> read_txt(const base::Dns& dns, const std::string& name,
                                                            bool authoritative);

/// A record that does not hold for ever, and its persistUntil.
struct RecordEnd {
    std::string name{};
    base::Instant at{};
    friend bool operator==(const RecordEnd&, const RecordEnd&) = default;
};

/// Whether `issuer_domains` are what a challenge has said, or what the CA's directory lets one suppose: then
/// a record that names our account is believed, whatever it calls the CA.
enum class IssuerNames { Known, Supposed };

/// Looks for the records that fulfil all of these challenges: one for a wildcard and its parent. The one
/// that ends first; nothing where they hold for ever. solver/record-missing, with the records to add,
/// unless every server has good ones; else the errors of `read`. Blocks as it does.
[[nodiscard]] base::Result<std::optional<RecordEnd>> find_persist_records(
    const TxtReader& read, std::span<const ChallengeTask> tasks, IssuerNames names, base::Instant now);

/// wait_until_seen() looks for the records. present() and clean_up() do nothing: they are the user's.
[[nodiscard]] std::unique_ptr<Solver> make_dns_persist_solver(TxtReader read, base::Clock& clock);

}  // namespace acme
