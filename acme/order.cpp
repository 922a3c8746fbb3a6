// SPDX-License-Identifier: Apache-2.0
#include "acme/order.hpp"

#include <algorithm>
#include <utility>

#include "acme/limits.hpp"
#include "acme/problem.hpp"
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
    auto order = parse_order(answer.body, url);
    if (!order) return flow.sent_from(url, std::move(order).error());
    OrderView view{.order = std::move(*order)};
    const std::size_t wanted = view.order.authorizations.size();
    if (wanted > kAuthorizationsPerName * flow.request.names.size()) {
        return base::fail(Code::CaProtocol, "the CA " + flow.ca() + " wants " + std::to_string(wanted) +
                                                " authorizations for " + flow.names());
    }
    view.retry_after = retry_after_of(answer, flow.session.clock().now());
    return view;
}

base::Failure gone(const Flow& flow, const std::string& url, const std::string& why) {
    return base::fail(Code::CaOrderGone, "the order " + base::printable(url, 200) + " at CA " + flow.ca() +
                                             " cannot be used any more: " + why);
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

/// A refusal that is about something else than the order: it is there, and cannot be seen just now.
base::Error not_seen(base::Error error) {
    error.code = Code::CaProtocol;
    error.hint.clear();
    return error;
}

}  // namespace

base::Failure Flow::sent_from(const std::string& url, base::Error error) const {
    return base::Failure(std::move(error).within("the CA " + ca() + ", " + base::printable(url, 200)));
}

std::vector<Result<base::HttpResponse>> Flow::ask_all(std::vector<Call> calls) const {
    auto answers = session.post_all(account, std::move(calls));
    for (auto& answer : answers) {
        if (answer || answer.error().code != Code::CaRefused) continue;
        if (!answer.error().problem.starts_with(kProblemPrefix)) answer.error().code = Code::CaProtocol;
    }
    return answers;
}

bool can_be_gone_on_with(const Flow& flow, const Order& order) {
    const bool is_open = order.status == OrderStatus::Pending || order.status == OrderStatus::Ready;
    // A CA that does not say which profile it is has none, or has given the one that was asked for.
    const bool is_of_this_profile = order.profile.empty() || order.profile == flow.request.profile;
    return is_open && is_of_this_profile && !has_expired(flow, order) &&
           is_for_these_names(order, flow.request.names);
}

Result<void> check_profile(const Flow& flow) {
    const std::string& profile = flow.request.profile;
    if (profile.empty()) return {};
    Directory directory = TRY(flow.session.directory());
    if (!directory.profiles.contains(profile)) directory = TRY(flow.session.directory_of_now());
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
/// 500 (RFC 9773 §5 foresees one of these). Only what would happen to any order, or is about its names, is
/// no reason to ask again without. A refusal stays one however late it is asked again: its Retry-After would
/// only put off every renewal until the certificate has ended.
bool may_be_about_replaces(const base::Error& error) {
    switch (error.code) {
        case Code::CaServerError:
            return !error.retry_at;  // with a time to come back at it is busy, whatever is asked
        case Code::CaUnreachable:
        case Code::CaBadNonce:
        case Code::CaRateLimited:
        case Code::CaPaused:
        case Code::CaAccountMissing:
        case Code::CaTermsNotAgreed:
        case Code::CaProfileRefused:
        case Code::CaIdentifierRefused:
        case Code::CaBindingRequired:
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
    const auto admit = [&flow](bool names_what_it_replaces) -> Result<void> {
        // Not counted before there is anybody to count it.
        TRY(flow.session.get_ready());
        return flow.effects.about_to_order ? flow.effects.about_to_order(names_what_it_replaces)
                                           : Result<void>();
    };
    const auto post = [&](const std::string& replaces) {
        return flow.session.post_to(flow.account, &Directory::new_order,
                                    new_order_payload(request.names, request.profile, replaces), besides);
    };
    const bool has_renewal_info = !TRY(flow.session.directory()).renewal_info.empty();
    const bool names_what_it_replaces = !request.replaces.empty() && has_renewal_info;
    TRY(admit(names_what_it_replaces));
    auto posted = post(names_what_it_replaces ? request.replaces : "");
    const bool is_to_be_repeated = names_what_it_replaces && !posted && may_be_about_replaces(posted.error());
    // Where it may not be asked a second time, what the CA has said is still the reason.
    if (!is_to_be_repeated || !admit(/*names_what_it_replaces=*/false)) return posted;
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
    const std::string& url = flow.request.order_url;
    const auto answer = flow.ask({.url = url, .may_be_gone = true});
    if (!answer) {
        // Unknown, swept away, another account's: said in many ways, and all mean that it is not ours any
        // more.
        const Code code = answer.error().code;
        const bool lost =
            code == Code::CaRefused || code == Code::CaAccountRefused || code == Code::CaIdentifierRefused;
        return lost ? gone(flow, url, answer.error().message) : base::Failure(answer.error());
    }
    if (answer->status == 404 || answer->status == 410)
        return gone(flow, url,
                    refusal(parse_problem(answer->body, answer->status), {.ca = flow.ca()}).message);
    OrderView view = TRY(view_of(flow, *answer, url));
    const Order& order = view.order;
    if (order.status == OrderStatus::Invalid) {
        return gone(flow, url,
                    order.error && !order.error->detail.empty() ? base::printable(order.error->detail, 300)
                                                                : "it is invalid");
    }
    if (has_expired(flow, order))
        return gone(flow, url, "it expired at " + base::format_instant(*order.expires));
    if (!is_for_these_names(order, flow.request.names)) {
        return gone(flow, url, "it is for other names: " + list_of(order.identifiers));
    }
    return view;
}

Result<OrderView> look_at_order(const Flow& flow, const std::string& url) {
    auto answer = flow.ask({.url = url});
    if (answer) return view_of(flow, *answer, url);
    const Code code = answer.error().code;
    const bool is_refused = code == Code::CaRefused || code == Code::CaIdentifierRefused;
    return base::Failure(is_refused ? not_seen(std::move(answer).error()) : std::move(answer).error());
}

namespace {

Result<std::string> request_der(const IssuanceRequest& request) {
    if (const auto* own = std::get_if<base::Request>(&request.key)) return own->der;
    return base::make_request(std::get<base::PrivateKey>(request.key), request.names);
}

}  // namespace

Result<OrderView> send_request(const Flow& flow, const Order& order) {
    const std::string request = TRY(request_der(flow.request));
    const base::HttpResponse answer = TRY(flow.ask(
        {.url = order.finalize, .payload = finalize_payload(request), .names = flow.request.names.size()}));
    return view_of(flow, answer, order.url);
}

namespace {

/// What a CA sent for a certificate's URL, as a chain that is not proven yet.
Result<base::Chain> read_chain(const Flow& flow, const base::HttpResponse& answer) {
    if (answer.body.size() > kChainBytesMax) {
        return base::fail(Code::CaProtocol, "the CA " + flow.ca() + " sent a certificate of " +
                                                std::to_string(answer.body.size()) + " bytes");
    }
    auto chain = base::parse_chain(answer.body);
    if (chain) return chain;
    return base::fail(Code::CaProtocol,
                      "what the CA " + flow.ca() + " sent is no certificate chain: " + chain.error().message);
}

bool leads_to(const base::Chain& chain, std::string_view issuer) {
    return chain.back().issuer_common_name() == issuer;
}

/// §7.4.2: the chain to the preferred issuer among the alternates, proven like the first; else why there is
/// none, which stops nothing: there is a certificate already.
Result<base::Chain> find_preferred(const Flow& flow, const base::HttpResponse& answer,
                                   const std::string& url) {
    Result<base::Chain> found = base::fail(Code::CaProtocol, "the CA " + flow.ca() + " offers none");
    std::vector<Call> calls;
    for (const std::string& link : find_links(answer, "alternate", kAlternatesMax)) {
        if (auto target = resolve_url(url, link)) {
            calls.push_back({.url = std::move(*target)});
        } else {
            found = base::Failure(std::move(target).error());
        }
    }
    for (auto& alternate : flow.session.post_all(flow.account, std::move(calls))) {
        auto chain = alternate ? read_chain(flow, *alternate) : base::Failure(std::move(alternate).error());
        if (chain && !leads_to(*chain, flow.request.preferred_chain)) continue;
        found = chain ? prove(flow, std::move(*chain)) : std::move(chain);
        if (found) return found;
    }
    return found;
}

/// The certificate as it comes this time. The order is valid, so that no refusal (404, 403) is about the
/// order or the account.
Result<base::Chain> fetch_chain(const Flow& flow, const Order& order, Finalized finalized) {
    auto answer = flow.ask({.url = order.certificate});
    if (!answer) {
        const Code code = answer.error().code;
        const bool is_refused =
            code == Code::CaRefused || code == Code::CaIdentifierRefused || code == Code::CaAccountRefused;
        return base::Failure(is_refused ? not_seen(std::move(answer).error()) : std::move(answer).error());
    }
    base::Chain chain = TRY(read_chain(flow, *answer));
    if (finalized == Finalized::Unseen && chain.front().public_key_der() != public_key_der(flow.request))
        return gone(flow, order.url, "it has led to a certificate with another key than ours");
    base::Chain proven = TRY(prove(flow, std::move(chain)));
    const std::string& preferred = flow.request.preferred_chain;
    if (preferred.empty() || leads_to(proven, preferred)) return proven;
    auto other = find_preferred(flow, *answer, order.certificate);
    if (other) return other;
    flow.remarks.push_back("no chain to \"" + base::printable(preferred, 100) +
                           "\" was to be had, and the CA's own first one is used: " + other.error().message);
    return proven;
}

}  // namespace

Result<base::Chain> download(const Flow& flow, const Order& order, Finalized finalized) {
    if (order.certificate.empty()) {
        return base::fail(Code::CaProtocol,
                          "the CA " + flow.ca() + " calls the order valid, but names no certificate");
    }
    for (unsigned tries = 1;; ++tries) {
        auto chain = fetch_chain(flow, order, finalized);
        if (chain || tries >= kDownloadTries) return chain;
        // §7.4.2: a certificate never changes under its URL, so one that arrived damaged, or was not found by
        // a copy of the CA's database that lags behind, is fetched again.
        const Code code = chain.error().code;
        const bool may_come_otherwise =
            code == Code::CaProtocol || code == Code::CaWrongCertificate || code == Code::CaOrderGone;
        if (!may_come_otherwise) return chain;
        flow.session.clock().sleep(resend_pause(tries));
    }
}

}  // namespace acme
