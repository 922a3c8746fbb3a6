// SPDX-License-Identifier: Apache-2.0
// dns-persist-01 (draft-ietf-acme-dns-persist): a record that the user adds once, and that names the CA and
// our account there. Nothing is written for a challenge; the record is looked for before the CA is told to,
// and the one to add is named where it is missing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
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

/// present() looks for the record: solver/record-missing, with the record to add, unless every server has a
/// good one. One that ends within 30 days is told through `tell`. clean_up() does nothing: it is the user's.
[[nodiscard]] std::unique_ptr<Solver> make_dns_persist_solver(TxtReader read, base::Clock& clock,
                                                              std::function<void(const std::string&)> tell);

}  // namespace acme
