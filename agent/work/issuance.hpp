// SPDX-License-Identifier: Apache-2.0
// One order at one CA: key and intent durable, then the order, its URL durable, then the rest. A killed run
// is gone on with from where it stopped.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "acme/issuance.hpp"
#include "agent/plan/ledger.hpp"
#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"
#include "base/key.hpp"
#include "base/request.hpp"

namespace agent {

struct OrderWish {
    bool is_forced = false;  // by hand, of what is not due
    bool by_hand = false;    // somebody waits: it does not stand in line with the agent's own
    bool over_limit = false;
    std::string ca{};  // that was named, and alone is asked; empty: as the list says
};

/// The order that would be placed at this CA now, as the ledger sees it.
[[nodiscard]] OrderAhead order_wished(const CertificateConfig& certificate, const Record& record,
                                      const std::string& ca, const OrderWish& wish, base::Instant now);

/// It was placed there, or will be: a directory that changes under a CA's name is another CA.
[[nodiscard]] bool is_at(const OpenOrder& order, const CaConfig& ca);

/// What it is given must outlive it.
class Issuance {
  public:
    Issuance(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper,
             const CaConfig& ca, const OrderWish& wish)
        : s_(surroundings), certificate_(certificate), keeper_(keeper), ca_(ca), wish_(wish) {}

    /// Blocks for as long as the CA takes; once. Afterwards there is a generation more, or an error that says
    /// why there is none.
    [[nodiscard]] base::Result<void> run();

    /// What holds an order that was not placed for it, the ledger or the clock; the error of run() is then
    /// its.
    [[nodiscard]] const std::optional<OrderHold>& held() const { return held_; }

  private:
    base::Result<void> check_space();
    base::Result<void> check_clock();
    [[nodiscard]] base::Result<std::optional<OpenOrder>> order_of_earlier_run() const;
    base::Result<OpenOrder> begin_order();
    [[nodiscard]] base::Result<std::variant<base::PrivateKey, base::Request>> key_or_request() const;
    base::Result<void> renew_account();
    base::Result<acme::Issued> issue_once();
    [[nodiscard]] OrderAhead ahead() const;
    base::Result<void> count(bool names_what_it_replaces);
    base::Result<void> note_asked_for();
    void settle_count(const base::Error& error);
    [[nodiscard]] std::string replaced_by_this(const std::string& account) const;
    base::Result<void> forget_order_url();
    base::Result<void> give_up_order(base::Error error);
    base::Result<void> write(const GenerationRecord& generation, const base::Chain& chain);
    base::Result<void> keep(const acme::Issued& issued);

    Surroundings& s_;
    const CertificateConfig& certificate_;
    Keeper& keeper_;
    const CaConfig& ca_;
    const OrderWish& wish_;
    OpenOrder order_;
    std::optional<base::PrivateKey> key_{};  // of an order begun in this run: what order_.key_pem holds
    std::optional<OrderAhead> counted_{};    // the order that this run has placed, as it was counted
    std::optional<OrderHold> held_{};        // and nothing was asked of the CA
};

}  // namespace agent
