// SPDX-License-Identifier: Apache-2.0
#include "acme/order.hpp"

#include <algorithm>
#include <utility>

#include "acme/limits.hpp"
#include "acme/retry.hpp"
#include "acme/url.hpp"
#include "acme/wire.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

std::vector<base::Identifier> sorted(std::vector<base::Identifier> names) {
    std::ranges::sort(names);
    const auto twins = std::ranges::unique(names);
    names.erase(twins.begin(), twins.end());
    return names;
}

/// §7.1.3: "The array of identifiers MUST match"; CAs sort them as they like, and some have been seen to
/// change them.
bool is_for_these_names(const Order& order, const std::vector<base::Identifier>& names) {
    return sorted(order.identifiers) == sorted(names);
}

std::string list_of(const std::vector<base::Identifier>& names) {
    std::string out;
    for (const base::Identifier& name : names) out += (out.empty() ? "" : ", ") + name.value;
    return base::printable(out, 300);
}

Result<OrderView> view_of(const Flow& flow, const base::HttpResponse& answer, const std::string& url) {
    OrderView view{.order = TRY(parse_order(answer.body, url))};
    const std::size_t wanted = view.order.authorizations.size();
    if (wanted > kAuthorizationsPerName * flow.request.names.size()) {
        return base::fail(Code::CaProtocol, "the CA " + flow.ca() + " wants " + std::to_string(wanted) +
                                                " authorizations for " + flow.names());
    }
    view.retry_after = parse_retry_after(answer.header("retry-after"), flow.session.clock().now());
    return view;
}

base::Failure gone(const Flow& flow, const std::string& why) {
    return base::fail(Code::CaOrderGone, "the order " + base::printable(flow.request.order_url, 200) +
                                             " at CA " + flow.ca() + " cannot be used any more: " + why);
}

/// `expires` is in the CA's time, so our clock's error is taken out where it is known.
bool has_expired(const Flow& flow, const Order& order) {
    if (!order.expires) return false;
    const base::Instant now =
        flow.session.clock().now() + flow.session.clock_skew().value_or(base::Seconds{0});
    return *order.expires <= now &&
           (order.status == OrderStatus::Pending || order.status == OrderStatus::Ready);
}

Result<base::Chain> prove(const Flow& flow, base::Chain chain) {
    auto proven = base::prove_pair(chain, flow.request.key.public_key_der(), flow.request.names,
                                   flow.session.clock().now(), Code::CaWrongCertificate);
    if (!proven) {
        return base::Failure(
            std::move(proven.error()).within("the CA " + flow.ca() + " sent a certificate that is not ours"));
    }
    return chain;
}

}  // namespace

Result<void> check_profile(const Flow& flow) {
    const std::string& profile = flow.request.profile;
    if (profile.empty()) return {};
    const Directory directory = TRY(flow.session.directory());
    if (directory.profiles.contains(profile)) return {};
    std::string offered;
    for (const auto& [name, description] : directory.profiles)
        offered += (offered.empty() ? "" : ", ") + name;
    return base::fail(Code::ConfigWrongValue, "the CA " + flow.ca() + " has no profile \"" + profile + "\"",
                      offered.empty() ? "this CA offers no profiles: leave `profile` out"
                                      : "it offers: " + base::printable(offered, 300));
}

Result<OrderView> place_order(const Flow& flow) {
    const std::size_t names = flow.request.names.size();
    // The next thing asked for is every authorization at once, each with a nonce of its own.
    const auto [answer, target] = TRY(flow.session.post_to(
        flow.account, &Directory::new_order, new_order_payload(flow.request.names, flow.request.profile),
        {.names = names, .spare_nonces = names - 1}));
    const std::string_view location = answer.header("location");
    if (location.empty()) {
        return base::fail(Code::CaProtocol,
                          "the CA " + flow.ca() + " answered newOrder without the order's URL");
    }
    const std::string url = TRY(resolve_url(target, location));
    if (flow.effects.order_placed) TRY(flow.effects.order_placed(url));
    auto view = view_of(flow, answer, url);
    if (!view)
        view = look_at_order(flow, url);  // the body was damaged on its way; the order is there all the same
    if (!view) return view;
    if (!is_for_these_names(view->order, flow.request.names)) {
        return base::fail(Code::CaProtocol, "the CA " + flow.ca() +
                                                " made an order for other names than asked for: " +
                                                list_of(view->order.identifiers));
    }
    return view;
}

Result<OrderView> reopen_order(const Flow& flow) {
    auto view = look_at_order(flow, flow.request.order_url);
    if (!view) {
        // 404 (unknown or swept away), 403 (another account's): said in many ways, and all mean that it is
        // not ours any more.
        const Code code = view.error().code;
        const bool lost =
            code == Code::CaRefused || code == Code::CaAccountRefused || code == Code::CaIdentifierRefused;
        return lost ? Result<OrderView>(gone(flow, view.error().message)) : view;
    }
    const Order& order = view->order;
    if (order.status == OrderStatus::Invalid) {
        return gone(flow, order.error && !order.error->detail.empty()
                              ? base::printable(order.error->detail, 300)
                              : "it is invalid");
    }
    if (has_expired(flow, order)) return gone(flow, "it expired at " + base::format_instant(*order.expires));
    if (!is_for_these_names(order, flow.request.names)) {
        return gone(flow, "it is for other names: " + list_of(order.identifiers));
    }
    return view;
}

Result<OrderView> look_at_order(const Flow& flow, const std::string& url) {
    const base::HttpResponse answer = TRY(flow.session.post(flow.account, url, std::nullopt));
    return view_of(flow, answer, url);
}

Result<OrderView> send_request(const Flow& flow, const Order& order) {
    const std::string request = TRY(base::make_request(flow.request.key, flow.request.names));
    const base::HttpResponse answer = TRY(flow.session.post(
        flow.account, order.finalize, finalize_payload(request), flow.request.names.size()));
    return view_of(flow, answer, order.url);
}

Result<base::Chain> download(const Flow& flow, const Order& order) {
    if (order.certificate.empty()) {
        return base::fail(Code::CaProtocol,
                          "the CA " + flow.ca() + " calls the order valid, but names no certificate");
    }
    for (unsigned tries = 1;; ++tries) {
        const base::HttpResponse answer =
            TRY(flow.session.post(flow.account, order.certificate, std::nullopt));
        if (answer.body.size() > kChainBytesMax) {
            return base::fail(Code::CaWrongCertificate, "the CA " + flow.ca() + " sent a certificate of " +
                                                            std::to_string(answer.body.size()) + " bytes");
        }
        auto chain = base::parse_chain(answer.body);
        if (chain) return prove(flow, std::move(*chain));
        // §7.4.2: a certificate never changes under its URL, so one that arrived damaged is fetched again.
        if (tries >= kDownloadTries) {
            return base::fail(
                Code::CaWrongCertificate,
                "what the CA " + flow.ca() + " sent is no certificate chain: " + chain.error().message);
        }
        flow.session.clock().sleep(resend_pause(tries));
    }
}

}  // namespace acme
