// SPDX-License-Identifier: Apache-2.0
// Orders as resources (RFC 8555 §7.4): placing one, looking at it, finalizing it, fetching its certificate.
// The flow through them is issuance.cpp's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "acme/issuance.hpp"
#include "acme/session.hpp"
#include "acme/types.hpp"

namespace acme {

/// An order as an answer showed it.
struct OrderView {
    Order order{};
    std::optional<base::Seconds> retry_after{};
};

/// What all steps of one issuance share.
struct Flow {
    Session& session;
    const Account& account;
    const IssuanceRequest& request;
    const IssuanceEffects& effects;
    std::vector<std::string>& remarks;  // what went otherwise than asked

    void tell(std::string_view step, std::string_view detail) const {
        if (effects.progress) effects.progress(step, detail);
    }

    /// "1 name", "40 names"
    [[nodiscard]] std::string names() const {
        return std::to_string(request.names.size()) + (request.names.size() == 1 ? " name" : " names");
    }

    [[nodiscard]] const std::string& ca() const { return session.authority().name; }

    /// What makes no sense, with where it was sent from.
    [[nodiscard]] base::Failure sent_from(const std::string& url, base::Error error) const;

    /// As Session::post_all(), about an order that is there. Only a problem document of ACME is the CA's word
    /// about it: any other refusal (a load balancer's page) is ca/protocol, and leaves the order what it is.
    [[nodiscard]] std::vector<base::Result<base::HttpResponse>> ask_all(std::vector<Call> calls) const;

    [[nodiscard]] base::Result<base::HttpResponse> ask(Call call) const {
        return std::move(ask_all({std::move(call)}).front());
    }
};

/// config/wrong-value where the CA does not offer the profile that is asked for; asked before newOrder is.
[[nodiscard]] base::Result<void> check_profile(const Flow& flow);

/// newOrder; its URL is durable (effects.order_placed) before anything else is made of the answer.
[[nodiscard]] base::Result<OrderView> place_order(const Flow& flow);

/// The order of an earlier run; ca/order-gone where nothing can be made of it any more.
[[nodiscard]] base::Result<OrderView> reopen_order(const Flow& flow);

/// Is it for exactly the names and the profile of the request, and may it still lead to a certificate of
/// ours?
[[nodiscard]] bool can_be_gone_on_with(const Flow& flow, const Order& order);

/// One look (POST-as-GET). Refused to us it says nothing of the order (a copy of the CA's database that lags
/// behind does not know it yet): ca/protocol.
[[nodiscard]] base::Result<OrderView> look_at_order(const Flow& flow, const std::string& url);

/// finalize with a request for the names. The order's URL in the result is that of `order`.
[[nodiscard]] base::Result<OrderView> send_request(const Flow& flow, const Order& order);

/// Whose request has made an order valid, as far as this run has seen.
enum class Finalized { ByUs, Unseen };

/// The chain of a valid order, proven against the key and the names (ca/wrong-certificate). A CA gives the
/// same order to all who ask with one account for the same names while it is open: where nobody has seen it
/// take our request, and the key is another one, it was theirs (ca/order-gone). What cannot be
/// had or read is ca/protocol: the certificate is there, and is fetched another time.
[[nodiscard]] base::Result<base::Chain> download(const Flow& flow, const Order& order, Finalized finalized);

}  // namespace acme
