// SPDX-License-Identifier: Apache-2.0
// What renewd remembers of one certificate. `wanted`, `installed` and `serving` are separate facts: "issued
// but not deployed", a failed target, a new target and drift are all the same case to the planner.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "acme/solvers/dns_persist_01.hpp"
#include "acme/solvers/solver.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "deployers/probe/verdict.hpp"

namespace agent {

/// What an order was for; wanted_instead() says which configurations ask for a new one.
struct OrderedFor {
    std::vector<std::string> names{};  // sorted
    std::string ca{};                  // that it was ordered from
    std::string directory{};           // its URL then; empty: an earlier renewd did not keep it
    std::vector<std::string> cas{};    // that were configured then
    std::string key_type{};
    std::string profile{};
    /// Of a request of the user's own: the SHA-256 of its public key. Empty: the key is ours.
    std::string request_key{};
    friend bool operator==(const OrderedFor&, const OrderedFor&) = default;
};

/// One issued generation; its key and chain are in the store.
struct GenerationRecord {
    int number = 0;
    OrderedFor ordered_for{};
    std::string account{};     // its URL
    std::string order{};       // its URL
    std::string renewal_id{};  // RFC 9773 §4.1; empty: it has none
    std::string sha256{};      // of the leaf, as seen on the wire
    std::string serial{};
    base::Instant not_before{};
    base::Instant not_after{};
    base::Instant issued_at{};
    std::optional<base::Instant> revoked_at{};  // from then on it is never deployed again
    std::string revocation_reason{};            // as in RFC 5280: "keyCompromise"
    /// How many in a row, up to this one, took the place of one that its CA wanted replaced within two days.
    int early_in_a_row = 0;
    friend bool operator==(const GenerationRecord&, const GenerationRecord&) = default;
};

/// An order being worked on: what it is for, its key or request, and, once the CA has answered, its URL.
struct OpenOrder {
    OrderedFor ordered_for{};
    std::string account{};
    std::string url{};  // empty: the order may not exist yet
    /// newOrder may have been sent, and its answer has not been kept: there may be an order whose URL nobody
    /// has.
    bool is_asked_for = false;
    base::Instant started_at{};
    base::Secret key_pem{};
    std::string request_der{};  // in place of the key: a request of the user's own
    /// As read: the SHA-256 of the file that holds key or request; empty where an earlier renewd wrote it.
    std::string material_sha256{};
};

/// A thing that keeps failing: how often, since when, why, and when it is tried again.
struct Failure {
    int count = 0;
    base::Instant since{};
    base::Instant next_attempt{};
    base::Error error{};
    friend bool operator==(const Failure&, const Failure&) = default;
};

/// What came about behind our back where a target had been seen serving what it should.
struct Drift {
    std::optional<base::Instant> seen_at{};  // as long as it lasts
    std::vector<base::Instant> repairs{};    // the latest of ours, ascending, at most three
    bool is_contested = false;               // somebody puts it back again and again
    friend bool operator==(const Drift&, const Drift&) = default;
};

struct TargetRecord {
    std::string name{};
    int installed = 0;          // the generation whose files are known to be in place; 0: none
    int serving = 0;            // the generation it was last seen serving everywhere; 0: none
    int attempting = 0;         // a deployment that was begun and not reported back: its outcome is unknown
    std::string fingerprint{};  // of the parameters that `installed` was deployed with
    std::optional<base::Instant> deployed_at{};
    std::optional<base::Instant> verified_at{};
    std::optional<Failure> failure{};
    std::vector<deployers::EndpointVerdict> endpoints{};
    Drift drift{};
    friend bool operator==(const TargetRecord&, const TargetRecord&) = default;
};

/// A hook that has not succeeded yet for what happened.
struct PendingHook {
    std::string event{};
    std::string target{};  // empty: of the certificate
    int generation = 0;
    std::string error{};  // of a `failed` event: the code
    std::optional<Failure> failure{};
    friend bool operator==(const PendingHook&, const PendingHook&) = default;
};

/// A generation that is to be revoked: once it is seen nowhere any more, or at an instant, whatever is seen.
struct Revocation {
    int generation = 0;
    std::string reason{};                           // as in RFC 5280
    std::optional<base::Instant> not_later_than{};  // absent: only when it is out of sight
    std::optional<Failure> failure{};
    friend bool operator==(const Revocation&, const Revocation&) = default;
};

/// What the CA suggests for one generation (RFC 9773), and the instant that was drawn from it, once.
struct Suggestion {
    int generation = 0;
    std::optional<base::Instant> start{};  // of the window; absent: none was given
    std::optional<base::Instant> end{};
    std::optional<base::Instant> at{};  // drawn uniformly from the window
    std::string explanation_url{};
    base::Instant ask_again{};
    int failures = 0;  // questions in a row without a usable answer
    friend bool operator==(const Suggestion&, const Suggestion&) = default;
};

/// What a solver puts up for a challenge, remembered before it does, until it has taken it away again. Its
/// values are no secrets: they are made for a CA to read.
struct Residue {
    std::string solver{};  // of the configuration
    acme::ChallengeTask task{};
    /// It could not be taken away. Absent: its order is being worked on, or that run was killed.
    std::optional<Failure> failure{};
    friend bool operator==(const Residue&, const Residue&) = default;
};

/// What was last seen of the records that the user keeps in DNS for the next renewal (dns-persist-01).
struct StandingRecords {
    base::Instant looked_at{};
    std::optional<acme::RecordEnd> end{};  // of the one that ends first; absent: they hold for ever
    std::optional<Failure> failure{};      // one is missing or wrong, or could not be looked for
    std::string ca{};  // that needs it; empty: an earlier renewd looked, for the first of the list alone
    friend bool operator==(const StandingRecords&, const StandingRecords&) = default;
};

/// Somebody wants nothing deployed for a while.
struct Pause {
    base::Instant since{};
    std::optional<base::Instant> until{};  // absent: until somebody resumes
    std::string by{};                      // the user who said so
    std::string reason{};                  // in his words; may be empty
    friend bool operator==(const Pause&, const Pause&) = default;
};

/// The warning that has been given that what is served runs out.
struct ExpiryWarning {
    int generation = 0;
    int stage = 0;  // warning_time() says when each is given
    friend bool operator==(const ExpiryWarning&, const ExpiryWarning&) = default;
};

struct Record {
    std::string name{};
    base::Instant first_seen{};
    std::vector<GenerationRecord> generations{};  // ascending
    int served_told = 0;                          // the generation whose `served` event has been raised
    std::optional<Failure> issuance{};
    int ca_failures = 0;  // orders in a row that failed for a reason of the CA's own that was asked first
    std::optional<Suggestion> suggestion{};
    std::vector<TargetRecord> targets{};
    std::vector<deployers::EndpointVerdict> endpoints{};  // the certificate's own
    std::optional<base::Instant> endpoints_verified_at{};
    std::vector<PendingHook> hooks{};
    std::vector<Revocation> revocations{};
    std::vector<Residue> residue{};             // challenges that are to be taken away
    std::optional<StandingRecords> standing{};  // absent: there are none, or nobody has looked yet
    std::optional<Pause> pause{};               // of deploying
    /// The newest generation that its CA wants replaced at once: nothing holds back what takes its place.
    int hurried_by_ca = 0;
    ExpiryWarning warned{};

    /// The newest generation, which every target should serve; nullptr before the first.
    [[nodiscard]] const GenerationRecord* wanted() const;
    [[nodiscard]] const GenerationRecord* generation(int number) const;
    /// The generation with this leaf; nullptr if it is none of ours.
    [[nodiscard]] const GenerationRecord* generation_of(std::string_view sha256) const;
    /// What is to be done to this generation; nullptr if it is not to be revoked.
    [[nodiscard]] const Revocation* revocation(int number) const;
    [[nodiscard]] const TargetRecord* target(std::string_view target_name) const;
    /// The target's record, made if there was none.
    [[nodiscard]] TargetRecord& target_for(std::string_view target_name);

    friend bool operator==(const Record&, const Record&) = default;
};

/// What is to be remembered when a generation has come: it ends what stood in its way, and hooks are owed for
/// it. The generation itself is the caller's to add.
void note_issued(Record& record, int generation);

/// The record as text: JSON that carries its own digest, so that a torn or edited file is noticed.
[[nodiscard]] std::string to_text(const Record& record);
/// state/corrupt: no JSON, a wrong digest or shape. state/newer-version: written by a later renewd; never
/// rewritten.
[[nodiscard]] base::Result<Record> parse_record(std::string_view text);

[[nodiscard]] std::string to_text(const GenerationRecord& generation);
[[nodiscard]] base::Result<GenerationRecord> parse_generation(std::string_view text);

/// Without its key or request, which has a file of its own.
[[nodiscard]] std::string to_text(const OpenOrder& order);
[[nodiscard]] base::Result<OpenOrder> parse_order(std::string_view text);

/// For `status --json` and hooks.
[[nodiscard]] nlohmann::json to_json(const base::Error& error);
[[nodiscard]] nlohmann::json to_json(const deployers::EndpointVerdict& verdict);

}  // namespace agent
