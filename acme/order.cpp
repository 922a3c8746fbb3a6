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
    const base::Instant now = flow.session.clock().now();
    // To a clock of ours that is behind it is not too early for what the CA takes for good by now, and to one
    // that is ahead not too late.
    const base::Instant theirs = now + flow.session.clock_skew().value_or(base::Seconds(0));
    const base::Instant at =
        chain.empty() ? now
                      : std::clamp(chain.front().not_before(), std::min(now, theirs), std::max(now, theirs));
    auto proven = base::prove_pair(chain, public_key_der(flow.request), flow.request.names, at,
                                   Code::CaWrongCertificate);
    if (!proven) {
        return base::Failure(
            std::move(proven.error()).within("the CA " + flow.ca() + " sent a certificate that is not ours"));
    }
    return chain;
}

}  // namespace

bool can_be_gone_on_with(const Flow& flow, const Order& order) {
    const bool is_open = order.status == OrderStatus::Pending || order.status == OrderStatus::Ready;
    return is_open && !has_expired(flow, order) && is_for_these_names(order, flow.request.names);
}

Result<void> check_profile(const Flow& flow) {
    const std::string& profile = flow.request.profile;
    if (profile.empty()) return {};
    const Directory directory = TRY(flow.session.directory());
    if (directory.profiles.contains(profile)) return {};
    std::string offered;
    for (const auto& [name, description] : directory.profiles)
        offered += (offered.empty() ? "" : ", ") + name;
    return base::fail(Code::CaProfileRefused, "the CA " + flow.ca() + " has no profile \"" + profile + "\"",
                      offered.empty() ? "this CA offers no profiles: leave `profile` out"
                                      : "it offers: " + base::printable(offered, 300));
}

namespace {

/// A CA may refuse `replaces` for the order it names or for the way it names it, by 409, 400, 403, 404 and
/// 500 (RFC 9773 §5 foresees one of these). Only what would happen to any order is no reason to ask again
/// without.
bool may_be_about_replaces(const base::Error& error) {
    if (error.retry_at) return false;  // it is busy, whatever is asked
    switch (error.code) {
        case Code::CaUnreachable:
        case Code::CaBadNonce:
        case Code::CaRateLimited:
        case Code::CaPaused:
        case Code::CaAccountMissing:
        case Code::CaTermsNotAgreed:
        case Code::CaProfileRefused:
        case Code::NetUntrusted:
        case Code::NetTooLarge:
            return false;
        default:
            return true;
    }
}

Result<Session::Posted> post_new_order(const Flow& flow) {
    const IssuanceRequest& request = flow.request;
    const std::size_t names = request.names.size();
    // The next thing asked for is every authorization at once, each with a nonce of its own.
    const Session::Besides besides{.names = names, .spare_nonces = names - 1};
    const auto post = [&](const std::string& replaces) -> Result<Session::Posted> {
        // Not counted before there is anybody to count it.
        TRY(flow.session.get_ready());
        if (flow.effects.about_to_order) TRY(flow.effects.about_to_order(!replaces.empty()));
        return flow.session.post_to(flow.account, &Directory::new_order,
                                    new_order_payload(request.names, request.profile, replaces), besides);
    };
    const bool has_renewal_info = !TRY(flow.session.directory()).renewal_info.empty();
    if (request.replaces.empty() || !has_renewal_info) return post("");
    auto posted = post(request.replaces);
    if (posted || !may_be_about_replaces(posted.error())) return posted;
    const std::string why = posted.error().message;
    posted = post("");
    if (posted) flow.remarks.push_back("ordered without naming what it replaces: " + why);
    return posted;
}

}  // namespace

Result<OrderView> place_order(const Flow& flow) {
    const auto [answer, target] = TRY(post_new_order(flow));
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

namespace {

Result<std::string> request_der(const IssuanceRequest& request) {
    if (const auto* own = std::get_if<base::Request>(&request.key)) return own->der;
    return base::make_request(std::get<base::PrivateKey>(request.key), request.names);
}

}  // namespace

Result<OrderView> send_request(const Flow& flow, const Order& order) {
    const std::string request = TRY(request_der(flow.request));
    const base::HttpResponse answer = TRY(flow.session.post(
        flow.account, order.finalize, finalize_payload(request), flow.request.names.size()));
    return view_of(flow, answer, order.url);
}

namespace {

/// What a CA sent for a certificate's URL, as a chain that is not proven yet.
Result<base::Chain> read_chain(const Flow& flow, const base::HttpResponse& answer) {
    if (answer.body.size() > kChainBytesMax) {
        return base::fail(Code::CaWrongCertificate, "the CA " + flow.ca() + " sent a certificate of " +
                                                        std::to_string(answer.body.size()) + " bytes");
    }
    auto chain = base::parse_chain(answer.body);
    if (chain) return chain;
    return base::fail(Code::CaWrongCertificate,
                      "what the CA " + flow.ca() + " sent is no certificate chain: " + chain.error().message);
}

bool leads_to(const base::Chain& chain, std::string_view issuer) {
    return chain.back().issuer_common_name() == issuer;
}

/// §7.4.2: the chain to the preferred issuer among the alternates, proven like the first; nothing if it is
/// not offered. Whatever goes wrong here, there is a certificate already.
std::optional<base::Chain> find_preferred(const Flow& flow, const base::HttpResponse& answer,
                                          const std::string& url) {
    std::vector<Call> calls;
    for (const std::string& link : find_links(answer, "alternate", kAlternatesMax)) {
        if (auto target = resolve_url(url, link)) calls.push_back({.url = std::move(*target)});
    }
    for (auto& alternate : flow.session.post_all(flow.account, std::move(calls))) {
        if (!alternate) continue;
        auto chain = read_chain(flow, *alternate);
        if (!chain || !leads_to(*chain, flow.request.preferred_chain)) continue;
        if (auto proven = prove(flow, std::move(*chain))) return std::move(*proven);
    }
    return std::nullopt;
}

}  // namespace

Result<base::Chain> download(const Flow& flow, const Order& order) {
    if (order.certificate.empty()) {
        return base::fail(Code::CaProtocol,
                          "the CA " + flow.ca() + " calls the order valid, but names no certificate");
    }
    for (unsigned tries = 1;; ++tries) {
        const base::HttpResponse answer =
            TRY(flow.session.post(flow.account, order.certificate, std::nullopt));
        auto chain = read_chain(flow, answer);
        // §7.4.2: a certificate never changes under its URL, so one that arrived damaged is fetched again.
        if (!chain && (tries >= kDownloadTries || answer.body.size() > kChainBytesMax)) return chain;
        if (!chain) {
            flow.session.clock().sleep(resend_pause(tries));
            continue;
        }
        const std::string& preferred = flow.request.preferred_chain;
        base::Chain proven = TRY(prove(flow, std::move(*chain)));
        if (preferred.empty() || leads_to(proven, preferred)) return proven;
        if (auto other = find_preferred(flow, answer, order.certificate)) return std::move(*other);
        flow.remarks.push_back("the CA " + flow.ca() + " offers no chain to \"" +
                               base::printable(preferred, 100) + "\"; its own first one is used");
        return proven;
    }
}

}  // namespace acme
