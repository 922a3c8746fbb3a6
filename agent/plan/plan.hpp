// SPDX-License-Identifier: Apache-2.0
// What comes next for one certificate, and when. A pure function of its configuration, its record and the
// time: no input or output, no clock, no logging.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "base/clock.hpp"

namespace agent {

enum class RenewalReason { NeverIssued, Ari, Lifetime, Configured, Forced, ConfigChanged, Revoked };

/// As in `status --json`: "never_issued", "lifetime", …
[[nodiscard]] std::string_view to_string(RenewalReason reason);

/// Whether somebody wants something beyond what is due.
struct Wishes {
    bool renew_now = false;  // --force
    bool by_hand = false;    // somebody waits: our own backoff does not hold an order back, a CA's limit does
    bool elsewhere = false;  // at a CA that was named: what another has asked of us holds nothing back
    bool over_limit = false;    // whatever is known of a limit of the CA
    bool deploy_again = false;  // `deploy`: every target, whatever is known of it
    bool look_again = false;    // `verify`: every endpoint
    bool mended = false;        // the configuration was read again: what may have been mended is tried again
    bool retry_now = false;     // a pass of its own (run --once): what is not well is tried without backoff
    bool past_holds = false;    // `deploy --now`, `replace`: windows and pauses hold nothing back

    /// Whatever has failed and is no order is tried again without backoff.
    [[nodiscard]] bool is_eager() const { return by_hand || mended || retry_now; }

    friend bool operator==(const Wishes&, const Wishes&) = default;
};

enum class HoldBy { Window, Pause, Limit };

/// As in `status --json`: "window", "pause", "limit".
[[nodiscard]] std::string_view to_string(HoldBy by);

/// A thing that is due, could be done, and is not to be yet.
struct Hold {
    HoldBy by = HoldBy::Window;
    std::string reason{};                  // for people: "window Mon..Fri 01:00-05:00 Europe/Berlin"
    std::optional<base::Instant> until{};  // absent: until somebody lifts it
    /// Where what is served runs out too far before that: from then on nothing holds it back.
    std::optional<base::Instant> ends_at{};
    friend bool operator==(const Hold&, const Hold&) = default;

    /// The earlier of the two.
    [[nodiscard]] std::optional<base::Instant> over_at() const;
};

struct Renewal {
    base::Instant at{};
    RenewalReason reason = RenewalReason::Lifetime;
    /// Set where a limit of the CA, told by itself, holds it back.
    std::optional<base::Instant> held_until{};
};

enum class TargetAction { Wait, Deploy, Look };

struct TargetPlan {
    std::string target{};
    TargetAction action = TargetAction::Wait;
    std::optional<base::Instant> at{};  // absent: nothing will be due until something else happens
    std::string fingerprint{};          // of the parameters, for the record
    std::optional<Hold> held{};         // a deployment that would be due; looks go on meanwhile
};

struct Plan {
    Renewal renewal{};
    std::vector<TargetPlan> targets{};           // one for each target of the configuration, in its order
    std::optional<base::Instant> ask_ca_at{};    // for renewal information (RFC 9773); absent: never
    std::optional<base::Instant> clean_up_at{};  // challenges that were left behind
    std::optional<base::Instant> records_at{};   // a look at the records that the user keeps in DNS
    std::optional<base::Instant> look_at{};      // at the certificate's own endpoints
    std::optional<base::Instant> revoke_at{};    // what is to be revoked; absent: nothing, or not yet
    std::optional<base::Instant> hooks_at{};     // hooks that have not succeeded yet
    std::optional<base::Instant> warn_at{};      // that what is served runs out

    [[nodiscard]] bool renewal_due(base::Instant now) const {
        return !renewal.held_until && renewal.at <= now;
    }

    /// The first deployment that is held; nullptr if none is.
    [[nodiscard]] const Hold* held() const;
    [[nodiscard]] std::vector<const TargetPlan*> due(TargetAction action, base::Instant now) const;
    /// The earliest instant at which something is to be done.
    [[nodiscard]] base::Instant next() const;
};

/// What the plan depends on besides configuration and record.
struct Circumstances {
    base::Instant now{};
    base::Seconds verify_every{3600};
    bool has_open_order = false;  // an order of an earlier run waits to be finished
    base::Seconds sleeps_for{0};  // nobody looks again for so long; 0: somebody looks when anything is due
    Wishes wishes{};
    /// The right time, where `now` is known to be wrong: what depends on a certificate's age goes by it, and
    /// is told as the instant at which `now` will show it. Everything else goes by `now`.
    std::optional<base::Instant> plan_by{};
};

[[nodiscard]] Plan plan(const CertificateConfig& certificate, const Record& record,
                        const Circumstances& circumstances);

/// What an order for this certificate at this CA would be for.
[[nodiscard]] OrderedFor wanted_order(const CertificateConfig& certificate, const std::string& ca);

/// What an order like that one would be for today: equal to it where nothing has changed that asks for a new
/// one. A list of CAs asks for one where it has another first CA or has lost the one that was ordered from;
/// where that is now the first, or was never of the list, it does not. Another directory under a CA's name is
/// another CA.
[[nodiscard]] OrderedFor wanted_instead(const CertificateConfig& certificate, const OrderedFor& before);

/// The open orders that are gone on with: at a CA that there is, and for what one would be for today.
[[nodiscard]] std::vector<OpenOrder> wanted_orders(const CertificateConfig& certificate,
                                                   std::vector<OpenOrder> open);
/// Has the CA of one of them answered?
[[nodiscard]] bool is_any_placed(const std::vector<OpenOrder>& orders);

/// The CA that this was ordered from; nullptr where it is not configured any more, or its name is another
/// CA's.
[[nodiscard]] const CaConfig* issuer_of(const Config& config, const OrderedFor& ordered);

/// When a generation is renewed for its age alone (DESIGN.md §4): at 2/3 of its lifetime, 1/2 below ten days,
/// or as configured.
[[nodiscard]] base::Instant renewal_time(const CertificateConfig& certificate,
                                         const GenerationRecord& generation);

/// May another CA be asked, now that one has failed with this error? After three orders that failed for a
/// reason of the CA's own, or with less than a quarter of the lifetime left; where the CA is still at work on
/// the order, with so little left, or after a day of it where nothing is held yet. `ca_failures` counts this
/// one.
[[nodiscard]] bool is_time_for_another_ca(const Record& record, const base::Error& error, int ca_failures,
                                          base::Instant now);
/// The same, where the list has another one.
[[nodiscard]] bool may_ask_another_ca(const CertificateConfig& certificate, const Record& record,
                                      const base::Error& error, int ca_failures, base::Instant now);
/// Is this the CA's own trouble, that another CA need not have?
[[nodiscard]] bool is_of_the_ca(const base::Error& error);

/// Changes whenever a target would be installed differently.
[[nodiscard]] std::string fingerprint(const TargetConfig& target);
/// Changes whenever the plan for the same record might.
[[nodiscard]] std::uint64_t plan_fingerprint(const CertificateConfig& certificate,
                                             base::Seconds verify_every);

}  // namespace agent
