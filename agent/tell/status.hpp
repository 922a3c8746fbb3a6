// SPDX-License-Identifier: Apache-2.0
// How things stand, as values: what is held, where it is served, what comes next, what needs a person. Pure;
// the table and the JSON are two ways of printing this.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "agent/plan/ledger.hpp"
#include "agent/plan/plan.hpp"

namespace agent {

enum class CertificateState {
    Revoked,
    Expired,
    Paused,
    Failing,
    Held,
    Unserved,
    NeverIssued,
    Renewing,
    Deploying,
    Due,
    Removed,
    Ok
};
enum class TargetState {
    Pending,
    Deploying,
    Serving,
    Partial,
    Stale,
    Failing,
    Drifted,
    Held,
    Unknown,
    Unverified
};

[[nodiscard]] std::string_view to_string(CertificateState state);
[[nodiscard]] std::string_view to_string(TargetState state);
/// All names of a certificate's state.
[[nodiscard]] std::set<std::string> certificate_states();

struct Attention {
    bool is_critical = false;
    base::Instant since{};
    std::string cause{};  // "verify/stale/web": what it is about
    base::Error error{};
    friend bool operator==(const Attention&, const Attention&) = default;
};

/// A thing that holds, as in `conditions`.
struct Condition {
    std::string code{};
    base::Instant since{};
    std::string message{};
    std::string hint{};
};

struct TargetStatus {
    const TargetConfig* config = nullptr;
    TargetRecord record{};
    TargetState state = TargetState::Pending;
    int wanted = 0;
    std::optional<Hold> held{};
};

/// Addresses that should serve the wanted generation, and how many do.
struct Served {
    std::size_t expected = 0;
    std::size_t serving = 0;
    std::optional<base::Instant> oldest_not_after{};  // of what is served; absent: nothing was seen
};

struct CertificateStatus {
    const CertificateConfig* config = nullptr;  // nullptr: removed from the configuration
    Record record{};
    Plan plan{};
    CertificateState state = CertificateState::Ok;
    std::vector<TargetStatus> targets{};
    Served served{};
    std::optional<Attention> attention{};
    std::vector<Condition> conditions{};
    std::optional<Hold> held{};
};

/// The CA that what is held came from; before there is anything, the one that is asked first.
[[nodiscard]] std::string ca_of(const CertificateStatus& status);

/// The status of one certificate. `has_open_order`: an order is being worked on, or waits to be gone on with.
[[nodiscard]] CertificateStatus status_of(const CertificateConfig& certificate, const Record& record,
                                          bool has_open_order, base::Seconds verify_every, base::Instant now);
/// A limit of the CA holds the order that is due.
void hold_back(CertificateStatus& status, const OrderHold& hold);
/// This machine's clock is ahead, and that holds the order that is due.
void hold_for_clock(CertificateStatus& status, const base::Error& error, base::Instant now);
/// Something should have been done long ago, and nobody has tried it. To be called last: what else is wrong
/// with it, or holds it, explains more.
void note_overdue(CertificateStatus& status, base::Seconds verify_every, base::Instant now);
/// The status of one that is no longer in the configuration.
[[nodiscard]] CertificateStatus removed_status(const Record& record);

/// Whose key it is, for people: "ecdsa-p256", or "the user's own (csr FILE), ecdsa-p256".
[[nodiscard]] std::string key_words(const CertificateConfig& certificate);

[[nodiscard]] TargetState state_of(const TargetConfig& config, const TargetRecord* target,
                                   const Record& record);

/// 3, 4, 5 or 0: what stands in the way, worst first, as `run --once` and `renew` report it.
[[nodiscard]] int exit_code_of(const CertificateStatus& status);
/// The same, of what needs attention only: what `status` and `verify` report.
[[nodiscard]] int attention_code_of(const CertificateStatus& status);

/// What two things come to that went wrong, as one exit code (INTERFACE): 7 and 1 come before all others, as
/// what else is told may not hold then; of 2 to 5 the lowest; 6 and 8 only where there is nothing else.
[[nodiscard]] int combined_exit_code(int a, int b);

/// What is wrong at the certificate's own endpoints, a line each: a balancer that nobody deploys to, a
/// forgotten address. Nothing where all of them serve what they should, or nobody has looked yet.
[[nodiscard]] std::optional<base::Error> public_error(const Record& record);

/// Most urgent first.
[[nodiscard]] bool is_more_urgent(const CertificateStatus& a, const CertificateStatus& b);

struct StoreStatus {
    std::uint64_t free_bytes = 0;
    std::vector<base::Error> errors{};  // state/…: all that is wrong with it

    [[nodiscard]] bool ok() const { return errors.empty(); }
};

struct AgentStatus {
    bool is_running = false;
    std::optional<base::Instant> since{};
    std::string config_error{};  // why the configuration's files are not in force; empty: they are
    std::optional<base::Instant> config_accepted_at{};  // of the one that is in force, as far as it is known
};

struct Overview {
    std::vector<CertificateStatus> certificates{};
    AgentStatus agent{};
    StoreStatus store{};
    base::Instant now{};  // the right time, as far as it is known
    /// clock/wrong; absent: nothing speaks against it.
    std::optional<base::Error> clock{};
    std::vector<Condition> conditions{};  // of no certificate alone
    bool clock_holds_orders = false;
};

/// Of the agent: "running since 2 Nov", "none runs". Empty where that is not known: without a state that can
/// be written none can say that it runs.
[[nodiscard]] std::string agent_words(const Overview& overview);

/// RFC 3339 in UTC, or null.
[[nodiscard]] nlohmann::json instant_or_null(const std::optional<base::Instant>& instant);
/// `status --json`, version 1 (docs/status.schema.json).
[[nodiscard]] nlohmann::json to_json(const Overview& overview);
[[nodiscard]] nlohmann::json to_json(const CertificateStatus& status);
[[nodiscard]] nlohmann::json to_json(const TargetStatus& target);

/// 3, 4, 5, 7 or 0: what of all this needs attention, with the state and this machine's clock.
[[nodiscard]] int attention_code_of(const Overview& overview);

/// How a table is to look.
struct TableLook {
    std::size_t width = 80;
    std::size_t height = 0;  // lines of the terminal; 0: none, and a row for each certificate
    bool has_colour = false;
    bool all = false;  // a row for each certificate, whatever the height
};

/// For people, most urgent first. Where the rows do not fit the terminal, those that need somebody, are
/// worked on or held, with what comes next; and above 200 certificates one entry for each cause.
[[nodiscard]] std::string to_table(const Overview& overview, const TableLook& look);

}  // namespace agent
