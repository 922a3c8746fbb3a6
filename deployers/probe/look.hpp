// SPDX-License-Identifier: Apache-2.0
// Looks from outside: every address of every endpoint, fresh full handshakes, then the verdict.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "deployers/probe/endpoint.hpp"
#include "deployers/probe/resolve.hpp"
#include "deployers/probe/verdict.hpp"

namespace deployers {

/// From where and by what a look is judged.
struct Viewpoint {
    const base::Anchors& anchors;
    base::Clock& clock;
    NameSource names{};
};

/// How long one handshake may take for somebody with this much patience: never less than 200 ms, nor more
/// than 5 s.
[[nodiscard]] base::Milliseconds handshake_deadline(base::Milliseconds patience);

/// One fresh full handshake (no session, no ticket) with `ip`:`port`. Blocks up to `deadline`. `protocol`:
/// the one that is offered by ALPN (RFC 7301), for servers that answer nothing else; empty: none is.
[[nodiscard]] Observation observe(const Endpoint& endpoint, const std::string& ip, int port,
                                  base::Milliseconds deadline, std::string_view protocol = {});

/// Looks at all endpoints at once, each address as many times as the endpoint wants. `expectation.sni` is
/// filled in per endpoint. An address that could not be asked for is `unresolved`, beside those that were
/// found. Blocks for the resolvers, then up to about connections × deadline, longer where the process has 256
/// handshakes under way already.
[[nodiscard]] std::vector<EndpointVerdict> look(const std::vector<Endpoint>& endpoints,
                                                const Expectation& expectation, const Viewpoint& from,
                                                base::Milliseconds deadline = base::Milliseconds{5000});

/// Looks again and again (from 50 ms apart to a second) until two whole looks in a row, 200 ms apart, show
/// all serving, looking on cannot help (what is not serving has no route from here) or `patience` has passed;
/// the last verdicts. Blocks up to patience and one look. `between` is called after each look that was not
/// good yet, and may act on it (send a reload again) or end it by answering false.
[[nodiscard]] std::vector<EndpointVerdict> look_until_served(
    const std::vector<Endpoint>& endpoints, const Expectation& expectation, const Viewpoint& from,
    base::Milliseconds patience, const std::function<bool(const std::vector<EndpointVerdict>&)>& between);

}  // namespace deployers
