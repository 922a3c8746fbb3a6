// SPDX-License-Identifier: Apache-2.0
// What one account has used of its CA's limits, and what the CA itself has told us to wait for. Asked before
// an order is placed, so that no limit is found out by being refused. Pure: values in, values out; its file
// is memory/ledger_file.hpp's, its turns are work/ledgers.hpp's.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "agent/plan/ca_limits.hpp"
#include "agent/plan/limit_bucket.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

namespace agent {

/// An order that might be placed, as far as limits care.
struct OrderAhead {
    std::vector<base::Identifier> names{};
    bool is_renewal = false;    // of a certificate with the same names
    bool is_suggested = false;  // in the CA's own window, and says what it replaces
    bool is_forced = false;     // by hand, of what is not due: the last ones are not for it
    bool is_paced = true;       // nobody waits for it: it goes in line with the others
    /// The share of its life that what it replaces has left: the less, the more pressing.
    double life_left = 0;
    /// When there is little time left: from then on a CA's wish that we wait is kept to no longer.
    std::optional<base::Instant> latest{};
    /// Set by count_order(): when, and the buckets that nothing was in use of. There the CA, which counts
    /// when it answers, begins later than we do.
    std::optional<base::Instant> counted_at{};
    std::vector<std::string> began{};
};

/// The order that would be placed for this certificate at this CA. Its wishes (forced, paced) are the
/// caller's.
[[nodiscard]] OrderAhead order_ahead(const CertificateConfig& certificate, const Record& record,
                                     const std::string& ca, base::Instant now);

/// Why an order has to wait, and until when.
struct OrderHold {
    base::Instant until{};
    std::string limit{};       // its id; empty: the CA has told us to wait, for a reason of its own
    std::string reason{};      // for people, without the CA's name
    std::string gate{};        // where it stands with others (plan/gate.hpp); empty: it waits by itself
    bool is_of_clock = false;  // no limit: this machine's clock is ahead
    friend bool operator==(const OrderHold&, const OrderHold&) = default;
};

/// What a CA has told us that fits no limit we know.
struct LearnedHold {
    std::string names{};  // the key of the names it is about; empty: the whole account
    base::Instant until{};
    std::string words{};  // the CA's
    friend bool operator==(const LearnedHold&, const LearnedHold&) = default;
};

/// One limit as it stands.
struct LimitLeft {
    const CaLimit* limit = nullptr;
    std::string about{};  // a registered domain, a name; empty: the account, or the names together
    int left = 0;
    std::optional<base::Instant> next_at{};  // of one more; absent: now
};

class Ledger {
  public:
    /// One for this account; what was counted for another account's own limits is forgotten.
    void belong_to(const std::string& account_url);

    [[nodiscard]] const std::string& account() const { return account_; }

    [[nodiscard]] LimitInstant bucket(const std::string& name) const;
    void set_bucket(const std::string& name, LimitInstant full_at);
    void set_learned(LearnedHold hold);

    [[nodiscard]] const std::map<std::string, LimitInstant>& buckets() const { return buckets_; }

    [[nodiscard]] const std::vector<LearnedHold>& learned() const { return learned_; }

    /// Forgets what has come back, and what a clock years ahead has left behind.
    void prune(std::span<const CaLimit> limits, base::Instant now);

    /// What has changed since the last call, for the file: names of buckets, and whether there is more.
    struct Changes {
        std::vector<std::string> buckets{};
        bool learned = false;
        bool account = false;
    };

    [[nodiscard]] Changes take_changes() { return std::exchange(changes_, {}); }

  private:
    std::string account_;
    std::map<std::string, LimitInstant> buckets_;  // by bucket_name()
    std::vector<LearnedHold> learned_;
    Changes changes_{};
};

/// "new-orders", "registered-domain example.com", "same-names 9f86d081…": short, and without blanks in its
/// key.
[[nodiscard]] std::string bucket_name(const CaLimit& limit, const std::string& key);

/// What stands in the way of this order, a line of more than a minute before it included; nothing: it may be
/// placed now. What is urgent, or has never been issued, stands in no line.
[[nodiscard]] std::optional<OrderHold> hold_of(const Ledger& ledger, std::span<const CaLimit> limits,
                                               const OrderAhead& order, base::Instant now);

/// When its turn in the line comes: `now`, or later where many go at once.
[[nodiscard]] base::Instant turn_of(const Ledger& ledger, const OrderAhead& order, base::Instant now);
/// The same, and the turn is taken.
[[nodiscard]] base::Instant take_turn(Ledger& ledger, const OrderAhead& order, base::Instant now);

// What becomes of an order, in turn. It is counted before it is sent: a crash leaves one too many counted,
// never one too few.
void count_order(Ledger& ledger, std::span<const CaLimit> limits, OrderAhead& order, base::Instant now);
/// The CA has answered: it counts from now on.
void count_placed(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order,
                  base::Instant now);
/// The CA has refused to place it.
void take_back(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order, base::Instant now);
/// What was said of an order leaves open whether the CA has placed it.
[[nodiscard]] bool may_be_placed(const base::Error& error);
/// It has come to nothing, or its answer was lost: no certificate will come of it.
void count_unissued(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order,
                    base::Instant now);
/// A certificate has come of it, and counts from now on.
void count_issued(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order,
                  base::Instant now);
/// These names of it could not be validated.
void count_failed(Ledger& ledger, std::span<const CaLimit> limits, const std::vector<std::string>& names,
                  base::Instant now);

/// What is to be done about an order that is about to be sent: wait for so long, and send it, since it is
/// counted; or leave it, since a limit holds it.
using Admission = std::variant<base::Seconds, OrderHold>;

/// Counts it, and takes its turn. `over_limit`: whatever is known of limits.
[[nodiscard]] Admission admit(Ledger& ledger, std::span<const CaLimit> limits, OrderAhead& order,
                              bool over_limit, base::Instant now);

/// What the CA says about waiting: which limit it means, as far as its words tell, is full until then; else
/// these names wait until then, and, where the words do not speak of names, the account for at most an hour.
void learn_refusal(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order,
                   const base::Error& error, base::Instant now);

/// How these limits stand for an order with these names.
[[nodiscard]] std::vector<LimitLeft> limits_left(const Ledger& ledger, std::span<const CaLimit> limits,
                                                 const std::vector<base::Identifier>& names,
                                                 base::Instant now);

/// How each limit stands where least of it is left, whatever that is about.
[[nodiscard]] std::vector<LimitLeft> least_left(const Ledger& ledger, std::span<const CaLimit> limits,
                                                base::Instant now);

/// The orders that this record's generations are the proof of, oldest first: what a ledger that was lost is
/// put together from.
struct PastOrder {
    base::Instant at{};
    std::string ca{};
    OrderAhead order{};
};

[[nodiscard]] std::vector<PastOrder> past_orders(const Record& record, base::Instant since);

/// Among orders that wait for the same thing the one with the smaller rank goes first: what has least of its
/// life left; a certificate that was never issued as one with a tenth left.
[[nodiscard]] double urgency_rank(const Record& record, base::Instant now);

/// When an order for it may be held by less than now: the next instant from which on nothing is left for
/// others (a third of its life), another CA may be asked (a quarter), it stands in no line (a tenth) or no
/// wish of a CA's is kept to any longer. Absent: none of that is to come.
[[nodiscard]] std::optional<base::Instant> presses_more_at(const Record& record, base::Instant now);

/// When that is a tenth: from then on its time is short. What waits for a hand stands in this order, which no
/// waiting changes, and in which all come in time if that can be had at all.
[[nodiscard]] base::Instant pressing_at(const Record& record, base::Instant now);

}  // namespace agent
