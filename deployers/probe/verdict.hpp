// SPDX-License-Identifier: Apache-2.0
// The judgement on what handshakes showed. Pure: no verdict says "serving" by default; what was not seen is
// not so.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/certificate.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

namespace deployers {

/// From good to bad; the verdict on an endpoint is the worst of its addresses. NotReachableFromHere counts
/// only if nothing else is there. What nobody could see stands before what was seen to be bad, which is not
/// to go under beside it.
enum class Verdict {
    Serving,
    NotReachableFromHere,  // no route for the address family
    NotLooked,             // this machine lacked what a look takes; told as `unreachable`
    Unresolved,
    Stale,  // an earlier generation of ours
    IncompleteChain,
    Untrusted,
    NameMismatch,
    Expired,
    Foreign,  // somebody else's certificate
    HandshakeFailed,
    Unreachable,
};

[[nodiscard]] std::string_view to_string(Verdict verdict);
[[nodiscard]] std::optional<Verdict> parse_verdict(std::string_view text);

/// What one address of an endpoint showed in one handshake.
struct Observation {
    enum class Kind {
        Handshake,
        NoRoute,
        NotLooked,  // a shortage of this machine's own
        Refused,
        TimedOut,
        HandshakeFailed
    } kind = Kind::TimedOut;
    std::string address{};  // "192.0.2.7:443", "[2001:db8::7]:443"
    base::Chain chain{};    // as served, of a Handshake
    std::string detail{};   // for people, of the others
};

/// The leaf of an earlier generation of ours.
struct EarlierLeaf {
    std::string sha256{};
    int generation = 0;  // 0: not known by number
};

/// What should be seen.
struct Expectation {
    std::string sha256{};                // of the wanted generation's leaf
    std::vector<EarlierLeaf> earlier{};  // of our earlier generations
    std::string sni{};                   // the name that must be covered
};

struct AddressVerdict {
    std::string address{};
    Verdict verdict = Verdict::Unreachable;
    std::string sha256{};                      // what it serves; empty if nothing was seen
    std::optional<base::Instant> not_after{};  // of what it serves
    std::string error{};                       // for people; empty if serving
    friend bool operator==(const AddressVerdict&, const AddressVerdict&) = default;
};

struct EndpointVerdict {
    std::string endpoint{};
    Verdict verdict = Verdict::Unresolved;
    std::vector<AddressVerdict> addresses{};
    friend bool operator==(const EndpointVerdict&, const EndpointVerdict&) = default;
};

/// Judges the handshakes with one address; all of them must be good, the worst one speaks.
[[nodiscard]] AddressVerdict judge(const std::vector<Observation>& observations,
                                   const Expectation& expectation, const base::Anchors& anchors,
                                   base::Instant now);
/// The worst of the addresses.
[[nodiscard]] EndpointVerdict combine(std::string endpoint, std::vector<AddressVerdict> addresses);
/// True if every endpoint is serving. False for none: nobody looked.
[[nodiscard]] bool all_serving(const std::vector<EndpointVerdict>& endpoints);
/// Has anything been seen that is not as it should be? That nobody could look, or knows where to, says
/// nothing of what is served.
[[nodiscard]] bool shows_a_fault(const std::vector<EndpointVerdict>& endpoints);
/// For people: "2 of 3 addresses serve what they should; 192.0.2.7:443: still serves the one that expires in
/// 3 days (2026-11-24)".
[[nodiscard]] std::string describe(const std::vector<EndpointVerdict>& endpoints);
/// The worst of them as an error of the step "verify" (verify/stale, …), with the next thing to do for
/// `certificate`; nothing if all are serving. With no endpoints nobody looked, which is no error here.
[[nodiscard]] std::optional<base::Error> error_of(const std::vector<EndpointVerdict>& endpoints,
                                                  std::string_view certificate);

}  // namespace deployers
