// SPDX-License-Identifier: Apache-2.0
// The flow of one order, from newOrder (or from where an earlier run left it) to a proven chain (RFC 8555
// §7.4).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "acme/session.hpp"
#include "acme/solvers/solver.hpp"
#include "base/certificate.hpp"
#include "base/request.hpp"

namespace acme {

struct IssuanceRequest {
    std::vector<base::Identifier> names{};
    std::string profile{};  // sent only if not empty; checked against the directory first
    /// Durable before the call, and never the account's (§11.1). A request of the user's own is sent as it
    /// is, and is for exactly `names`.
    std::variant<base::PrivateKey, base::Request> key;
    std::string
        replaces{};  // RFC 9773 §5: renewal_id() of what this one follows; left out where it is refused
    std::string preferred_chain{};  // common name of the issuer at its top; empty: the CA's first
    std::string order_url{};        // an order of an earlier run to go on with; empty: a new one
    /// An earlier run may have placed an order whose URL it could not keep: the account's list of orders,
    /// where the CA has one, is looked through for it before another is placed (§7.1.2.1).
    bool may_have_lost_order = false;
    /// How long the CA may take, from our last answer to a challenge on; then ca/order-pending, to be resumed
    /// later.
    base::Seconds patience{600};
};

/// The public half, DER SubjectPublicKeyInfo.
[[nodiscard]] std::string public_key_der(const IssuanceRequest& request);

/// How the flow reaches the world. `solver_for` may answer nullptr: solver/none names the identifier.
struct IssuanceEffects {
    std::function<Solver*(const base::Identifier&)> solver_for{};
    /// Called before a new order is asked for, whether or not it names what it replaces; an error ends the
    /// flow, and nothing has been asked. Called again where the CA refuses `replaces` and it is to be asked
    /// without; an error then leaves it at that refusal. May be empty.
    std::function<base::Result<void>(bool names_what_it_replaces)> about_to_order{};
    /// Called with the URL of a new order before anything is done with it; must make it durable. Its error
    /// ends the flow.
    std::function<base::Result<void>(const std::string& order_url)> order_placed{};
    /// Called with all challenges that are about to be put up where they outlive this process, before the
    /// first of them is; must make durable that they are to be taken away. Its error ends the flow. May be
    /// empty.
    std::function<base::Result<void>(const std::vector<ChallengeTask>& tasks)> about_to_present{};
    /// Called with each of these that has been taken away again; may be empty.
    std::function<void(const ChallengeTask& task)> taken_away{};
    /// Called with each challenge that could not be taken away again, and why; may be empty.
    std::function<void(const ChallengeTask& task, const base::Error& error)> left_behind{};
    /// Called with the names that the CA could not validate; may be empty.
    std::function<void(const std::vector<std::string>& names)> names_failed{};
    /// Called at each step ("order", "authorize", "finalize", "download") with a detail for people ("2/3
    /// names"); may be empty.
    std::function<void(std::string_view step, std::string_view detail)> progress{};
};

struct Issued {
    base::Chain chain{};  // proven against the request's key and names
    std::string order_url{};
    std::vector<std::string>
        remarks{};  // what went otherwise than asked, for people: a chain that is not offered
};

/// Blocks until issued, refused, or `patience` has passed. Goes on from whatever state the order is in; what
/// it presented is always cleaned up (what a killed run did, the caller has been told of). An error whose
/// class is Refused is the CA's own word: the order leads to no certificate of ours. After every other one
/// the same order is to be gone on with. ca/order-gone: the order of `order_url` cannot be used any more
/// (404, expired, invalid from an earlier run), or has led to the certificate of somebody else who got the
/// same one: place a new one. ca/order-pending: call again later with the same order. config/conflict: the
/// key is the account's. Else the CA's own refusal.
[[nodiscard]] base::Result<Issued> issue(Session& session, const Account& account,
                                         const IssuanceRequest& request, const IssuanceEffects& effects);

}  // namespace acme
