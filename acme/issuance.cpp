// SPDX-License-Identifier: Apache-2.0
#include "acme/issuance.hpp"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "acme/authorize.hpp"
#include "acme/limits.hpp"
#include "acme/lost_order.hpp"
#include "acme/order.hpp"
#include "acme/problem.hpp"
#include "acme/retry.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

/// Goes on from whatever state an order is in until there is a chain, a refusal, or no patience left. Every
/// turn of its loop either does something that is counted, or looks at the order once, which takes time from
/// the deadline.
class Progress {
  public:
    Progress(const Flow& flow, OrderView view)
        : flow_(flow), presented_(flow), order_(std::move(view.order)), retry_after_(view.retry_after) {
        wait_from_now();
    }

    Result<base::Chain> run() {
        auto chain = advance();
        presented_.clean_up();
        return chain;
    }

  private:
    Result<base::Chain> advance() {
        while (true) {
            switch (order_.status) {
                case OrderStatus::Pending:
                    TRY(authorize());
                    break;
                case OrderStatus::Ready:
                    TRY(finalize());
                    break;
                case OrderStatus::Processing:
                case OrderStatus::Unknown:
                    TRY(look(step_));
                    break;
                case OrderStatus::Valid:
                    return fetch();
                case OrderStatus::Invalid:
                    return base::Failure(why_invalid().during(step_));
            }
        }
    }

    Result<void> authorize() {
        step_ = "authorize";
        if (!answered_) {
            answered_ = true;
            auto said = answer_challenges(flow_, order_, presented_);
            if (!said) return base::Failure(std::move(said.error()).during(step_));
            acted(*said);
            wait_from_now();  // a solver's own waiting is none for the CA
        } else if (looks_ > 2 && std::has_single_bit(looks_)) {
            // Some CAs (smallstep's) leave the order pending when a name has failed. Asked rarely: it is a
            // request a name.
            if (auto failures = find_failures(flow_, order_))
                return base::Failure(std::move(*failures).during(step_));
        }
        return look(step_);
    }

    Result<void> finalize() {
        presented_.clean_up();
        const std::size_t names = order_.authorizations.size();
        if (step_ == "authorize")
            flow_.tell(step_, std::to_string(names) + "/" + std::to_string(names) + " names");
        step_ = "finalize";
        if (finalize_tries_ >= kFinalizeTries) return base::Failure(std::move(finalize_error_).during(step_));
        flow_.tell(step_, flow_.names());
        const base::Steady began = flow_.session.clock().steady();
        auto view = send_request(flow_, order_);
        ++finalize_tries_;
        acted(std::chrono::duration_cast<base::Milliseconds>(flow_.session.clock().steady() - began));
        if (view) {
            finalized_ = Finalized::ByUs;
            finalize_error_.message =
                "the CA " + flow_.ca() + " took the request, but the order stays \"ready\"";
            take(std::move(*view));
            // A lagging copy of the CA's database may still say "ready": ask again only if a look says so,
            // too.
            if (order_.status != OrderStatus::Ready) return {};
        } else {
            if (!may_have_been_heard(view.error()) || wants_peace(view.error()))
                return base::Failure(finalize_refused(view.error()).during(step_));
            finalize_error_ = std::move(view).error();
            if (finalize_error_.retry_at) come_back_at(*finalize_error_.retry_at);
        }
        order_.status = OrderStatus::Unknown;
        return look(step_);
    }

    Result<base::Chain> fetch() {
        presented_.clean_up();
        flow_.tell("download", "");
        auto chain = download(flow_, order_, finalized_);
        if (!chain) return base::Failure(std::move(chain.error()).during("download"));
        return chain;
    }

    /// Waits, then looks at the order. Hiccups are survived: the order goes on at the CA whether we can see
    /// it or not.
    Result<void> look(std::string_view step) {
        base::Clock& clock = flow_.session.clock();
        const auto left = std::chrono::duration_cast<base::Milliseconds>(deadline_ - clock.steady());
        if (left <= base::Milliseconds{0}) return base::Failure(still_pending().during(step));
        clock.sleep(std::min(look_wait(looks_++, retry_after_, answered_in_), left));
        auto view = look_at_order(flow_, order_.url);
        if (view) {
            failed_looks_ = 0;
            take(std::move(*view));
            return {};
        }
        const base::Error& error = view.error();
        const auto kind = base::class_of(error.code);
        const bool passing = !wants_peace(error) &&
                             (kind == base::ErrorClass::Transient || kind == base::ErrorClass::RateLimited);
        if (!passing || ++failed_looks_ >= kFailedLooksMax)
            return base::Failure(base::Error(error).during(step));
        retry_after_.reset();
        if (error.retry_at) come_back_at(*error.retry_at);
        return {};
    }

    /// The CA wants to be left alone for longer than we stay: the caller comes back to the same order then.
    [[nodiscard]] bool wants_peace(const base::Error& error) const {
        return error.retry_at && *error.retry_at - flow_.session.clock().now() > kLookWaitMax;
    }

    /// The CA names a time that we can wait for: no look comes before it, not even the first one.
    void come_back_at(base::Instant at) {
        retry_after_ = std::max(base::Seconds{0}, at - flow_.session.clock().now());
        looks_ = std::max(looks_, 1U);
    }

    /// Our patience with the CA begins.
    void wait_from_now() { deadline_ = flow_.session.clock().steady() + flow_.request.patience; }

    /// We did something, and the CA took so long to take it: the next look comes soon, whatever it said
    /// before.
    void acted(base::Milliseconds answered_in) {
        looks_ = 0;
        answered_in_ = answered_in;
    }

    void take(OrderView view) {
        const std::string url = std::move(order_.url);  // finalize's answer knows no other
        order_ = std::move(view.order);
        order_.url = url;
        retry_after_ = view.retry_after;
    }

    /// The answer was lost, or the CA says that it is further along: the order itself knows (RFC 8555 §7.4).
    static bool may_have_been_heard(const base::Error& error) {
        return error.code == Code::CaUnreachable || error.code == Code::CaServerError ||
               error.code == Code::CaProtocol || error.code == Code::NetTooLarge ||
               error.problem == kOrderNotReady;
    }

    /// "unauthorized" at finalize is about the request or its authorizations, not about the account.
    static base::Error finalize_refused(base::Error error) {
        if (error.code == Code::CaAccountRefused) {
            error.code = Code::CaRefused;
            error.hint.clear();
        }
        return error;
    }

    [[nodiscard]] base::Error why_invalid() const {
        if (auto failures = find_failures(flow_, order_)) return std::move(*failures);
        if (order_.error) {
            return finalize_refused(
                refusal(*order_.error, {.ca = flow_.ca(), .names = flow_.request.names.size()}));
        }
        return base::Error{.code = Code::CaRefused,
                           .message = "the CA " + flow_.ca() + " made the order invalid without saying why"};
    }

    [[nodiscard]] base::Error still_pending() const {
        if (order_.status == OrderStatus::Pending) {
            // Some CAs leave the order pending when a name has failed.
            if (auto failures = find_failures(flow_, order_)) return std::move(*failures);
        }
        base::Error error{.code = Code::CaOrderPending,
                          .message = "the CA " + flow_.ca() + " is still at work on the order " +
                                     base::printable(order_.url, 200) + " after " +
                                     std::to_string(flow_.request.patience.count()) + " s",
                          .hint = "nothing is lost: the same order is looked at again"};
        if (retry_after_) error.retry_at = flow_.session.clock().now() + *retry_after_;
        return error;
    }

    const Flow& flow_;
    Presented presented_;
    Order order_;
    std::optional<base::Seconds> retry_after_;
    base::Steady deadline_{};
    std::string_view step_ = "order";
    bool answered_ = false;
    unsigned looks_ = 0;
    base::Milliseconds answered_in_{};
    unsigned failed_looks_ = 0;
    unsigned finalize_tries_ = 0;
    Finalized finalized_ = Finalized::Unseen;
    base::Error finalize_error_{.code = Code::CaServerError};
};

/// §11.1: CAs refuse it (badCSR), and who serves such a certificate lets a web server sign for the account.
Result<void> check_key(const Flow& flow) {
    const base::PrivateKey& account = flow.account.key;
    const auto* key = std::get_if<base::PrivateKey>(&flow.request.key);
    const bool is_the_accounts =
        key != nullptr ? key->is_same_as(account) : public_key_der(flow.request) == account.public_key_der();
    if (!is_the_accounts) return {};
    return base::fail(Code::ConfigConflict,
                      "the key of the certificate is the key of the account at CA " + flow.ca() +
                          ", which it must never be (RFC 8555 §11.1)",
                      "make another key, and a request with it");
}

Result<OrderView> open_order(const Flow& flow) {
    TRY(check_key(flow));
    if (!flow.request.order_url.empty()) return reopen_order(flow);
    TRY(check_profile(flow));
    if (flow.request.may_have_lost_order) {
        if (auto found = find_lost_order(flow)) {
            if (flow.effects.order_placed) TRY(flow.effects.order_placed(found->order.url));
            return std::move(*found);
        }
    }
    return place_order(flow);
}

}  // namespace

std::string public_key_der(const IssuanceRequest& request) {
    if (const auto* own = std::get_if<base::Request>(&request.key)) return own->public_key_der;
    return std::get<base::PrivateKey>(request.key).public_key_der();
}

Result<Issued> issue(Session& session, const Account& account, const IssuanceRequest& request,
                     const IssuanceEffects& effects) {
    std::vector<std::string> remarks;
    const Flow flow{
        .session = session, .account = account, .request = request, .effects = effects, .remarks = remarks};
    flow.tell("order", flow.names());
    auto view = open_order(flow);
    if (!view) return base::Failure(std::move(view.error()).during("order"));
    std::string url = view->order.url;
    auto chain = Progress(flow, std::move(*view)).run();
    if (!chain) return base::Failure(std::move(chain).error());
    return Issued{.chain = std::move(*chain), .order_url = std::move(url), .remarks = std::move(remarks)};
}

}  // namespace acme
