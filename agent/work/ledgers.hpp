// SPDX-License-Identifier: Apache-2.0
// The ledgers of all accounts: read, changed and made durable, one change at a time, whichever certificate or
// renewd it comes from. A ledger that cannot be written is told once and kept in memory: it never stops a
// renewal.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include <spdlog/fwd.h>

#include "agent/config/config.hpp"
#include "agent/memory/ledger_file.hpp"
#include "agent/memory/store.hpp"
#include "agent/plan/ledger.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

/// Thread safe. Every call blocks on storage, and up to 2 s for another renewd that writes the same ledger.
class Ledgers {
  public:
    /// The best that is known of the time at a CA.
    using TimeAt = std::function<base::Instant(const std::string& ca)>;

    /// Everything is borrowed for as long as this lives. A CA counts by its own clock, and so do we, where
    /// ours is known to be wrong: what was counted neither seems to be over nor to lie in the future when
    /// somebody sets it right. Without `time_at` the clock is. Instants that come in and go out are what
    /// `clock` shows, or will.
    Ledgers(Store& store, base::Files& files, base::Clock& clock, spdlog::logger& log, TimeAt time_at = {})
        : store_(store), files_(files), clock_(clock), log_(log), time_at_(std::move(time_at)) {}

    /// The ledger as it stands, for telling and planning; nothing where nothing has been counted yet. Changes
    /// nothing.
    [[nodiscard]] std::optional<Ledger> look(const CaConfig& ca);

    /// What stands in the way of this order now; its gate among those of all CAs. Changes nothing.
    [[nodiscard]] std::optional<OrderHold> hold(const CaConfig& ca, const OrderAhead& order);

    /// As the function of plan/ledger.hpp, for an account by its URL.
    [[nodiscard]] Admission admit(const CaConfig& ca, const std::string& account, OrderAhead& order,
                                  bool over_limit);

    /// As the functions of plan/ledger.hpp.
    void placed(const CaConfig& ca, const OrderAhead& order);
    void taken_back(const CaConfig& ca, const OrderAhead& order);
    void unissued(const CaConfig& ca, const OrderAhead& order);
    void issued(const CaConfig& ca, const OrderAhead& order);
    void failed(const CaConfig& ca, const std::vector<std::string>& names);
    void refused(const CaConfig& ca, const OrderAhead& order, const base::Error& error);

  private:
    struct Known {
        Ledger ledger{};
        std::size_t lines = 0;
        std::optional<std::uint64_t> size{};  // of the file that it was read from
        bool is_read = false;
        bool is_newer = false;
        bool is_ahead = false;  // of the file: what was counted could not be written
        bool is_told = false;   // that it cannot be written
    };

    using Change = std::function<void(Ledger&, std::span<const CaLimit>, base::Instant now)>;

    [[nodiscard]] LedgerFile file_of(const CaConfig& ca) const;
    [[nodiscard]] base::Instant now_at(const CaConfig& ca) const;
    [[nodiscard]] OrderHold for_us(const CaConfig& ca, OrderHold hold, base::Instant now) const;
    Known& refresh(const CaConfig& ca, bool may_rebuild);
    [[nodiscard]] Ledger rebuilt(const CaConfig& ca, Ledger from);
    void change(const CaConfig& ca, const Change& edit);
    [[nodiscard]] base::Result<void> write(const CaConfig& ca, Known& known);
    [[nodiscard]] base::Result<void> add_out_of_turn(const CaConfig& ca, Known& known);

    Store& store_;
    base::Files& files_;
    base::Clock& clock_;
    spdlog::logger& log_;
    TimeAt time_at_;
    std::mutex mutex_;
    std::map<std::string, Known> known_;  // by the directory of the CA
};

}  // namespace agent
