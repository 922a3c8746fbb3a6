// SPDX-License-Identifier: Apache-2.0
// Who is looked at, how often and for how long. A reload's exit code proves nothing (nginx serves the old
// certificate for about 100 ms after it, Apache for about a second), so looking again is the normal case, and
// a look counts only whole.
#include "deployers/probe/look.hpp"

#include <algorithm>
#include <semaphore>
#include <utility>

#include "base/identifier.hpp"
#include "base/parallel.hpp"

namespace deployers {
namespace {

// Handshakes under way at once; most of their time is waiting, each costs a thread.
constexpr std::size_t kAtOnce = 64;
// The first looks come quickly, since most servers have switched after 100 ms; then fewer and fewer.
constexpr base::Milliseconds kPauseFirst{50};
constexpr base::Milliseconds kPauseMax{1000};
// Once all is well, it is looked at again after this: on a busy machine an old worker that has not heard of
// the reload yet still accepts connections, between those that the new one accepts.
constexpr base::Milliseconds kSettling{200};
// One handshake: never longer than this, and not cut short towards the end of the patience either, or a
// distant server would seem unreachable just then.
constexpr base::Milliseconds kHandshakeMax{5000};
constexpr base::Milliseconds kHandshakeLeast{200};

/// One address of one endpoint, and what it turned out to be.
struct Task {
    std::size_t endpoint = 0;
    std::string ip{};
    AddressVerdict verdict{};
};

/// Handshakes under way in the whole process, whoever looks: each takes a descriptor, of which a process has
/// 1,024 where nobody has said otherwise.
std::counting_semaphore<>& free_handshakes() {
    static std::counting_semaphore<> free(256);
    return free;
}

/// What there is to look at, and what cannot be looked at, since nobody says where it is.
struct Plan {
    std::vector<Task> tasks{};
    std::vector<std::vector<AddressVerdict>> unknown{};  // of each endpoint
};

Plan plan_for(const std::vector<Endpoint>& endpoints, const NameSource& names) {
    std::vector<Addresses> addresses(endpoints.size());
    base::in_parallel(endpoints.size(), kAtOnce, [&](std::size_t i) {
        const Endpoint& endpoint = endpoints[i];
        addresses[i] =
            endpoint.address.empty() ? resolve(endpoint.host, names) : Addresses{.found = {endpoint.address}};
    });
    Plan plan{.unknown = std::vector<std::vector<AddressVerdict>>(endpoints.size())};
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        for (std::string& ip : addresses[i].found) plan.tasks.push_back({.endpoint = i, .ip = std::move(ip)});
        for (Addresses::Failure& failure : addresses[i].unknown)
            plan.unknown[i].push_back({.address = std::move(failure.asked),
                                       .verdict = Verdict::Unresolved,
                                       .error = std::move(failure.why)});
    }
    return plan;
}

/// The name that must be covered: what a visitor of this endpoint asks for.
std::string name_of(const Endpoint& endpoint) {
    if (!endpoint.sni.empty()) return endpoint.sni;
    return base::address_bytes(endpoint.host).empty() ? endpoint.host : std::string();
}

/// All the handshakes the endpoint wants with one address, one after the other: they are to show whether
/// several workers or balancers answer alike, not to be a burst.
std::vector<Observation> observe_address(const Endpoint& endpoint, const std::string& ip,
                                         base::Milliseconds deadline) {
    const int port = endpoint.address_port != 0 ? endpoint.address_port : endpoint.port;
    std::vector<Observation> seen;
    for (int i = 0; i < endpoint.connections; ++i) {
        free_handshakes().acquire();
        seen.push_back(observe(endpoint, ip, port, deadline));
        free_handshakes().release();
        const Observation::Kind kind = seen.back().kind;
        // Nobody is there: the others would only cost their deadlines.
        if (kind != Observation::Kind::Handshake && kind != Observation::Kind::HandshakeFailed) break;
    }
    return seen;
}

/// Looking again can change nothing: what is not serving cannot be reached from here at all.
bool is_settled(const std::vector<EndpointVerdict>& endpoints) {
    return std::ranges::all_of(endpoints, [](const EndpointVerdict& endpoint) {
        return endpoint.verdict == Verdict::Serving || endpoint.verdict == Verdict::NotReachableFromHere;
    });
}

}  // namespace

base::Milliseconds handshake_deadline(base::Milliseconds patience) {
    return std::clamp(patience, kHandshakeLeast, kHandshakeMax);
}

std::vector<EndpointVerdict> look(const std::vector<Endpoint>& endpoints, const Expectation& expectation,
                                  const Viewpoint& from, base::Milliseconds deadline) {
    Plan plan = plan_for(endpoints, from.names);
    std::vector<Task>& tasks = plan.tasks;
    base::in_parallel(tasks.size(), kAtOnce, [&](std::size_t i) {
        Task& task = tasks[i];
        const Endpoint& endpoint = endpoints[task.endpoint];
        Expectation expected = expectation;
        expected.sni = name_of(endpoint);
        task.verdict =
            judge(observe_address(endpoint, task.ip, deadline), expected, from.anchors, from.clock.now());
    });
    std::vector<std::vector<AddressVerdict>> of_endpoint = std::move(plan.unknown);
    for (Task& task : tasks) of_endpoint[task.endpoint].push_back(std::move(task.verdict));
    std::vector<EndpointVerdict> verdicts;
    verdicts.reserve(endpoints.size());
    for (std::size_t i = 0; i < endpoints.size(); ++i)
        verdicts.push_back(combine(endpoints[i].text, std::move(of_endpoint[i])));
    return verdicts;
}

std::vector<EndpointVerdict> look_until_served(
    const std::vector<Endpoint>& endpoints, const Expectation& expectation, const Viewpoint& from,
    base::Milliseconds patience, const std::function<bool(const std::vector<EndpointVerdict>&)>& between) {
    base::Clock& clock = from.clock;
    const base::Steady end = clock.steady() + patience;
    const base::Milliseconds deadline = handshake_deadline(patience);
    bool was_well = false;
    for (base::Milliseconds pause = kPauseFirst;; pause = std::min(2 * pause, kPauseMax)) {
        std::vector<EndpointVerdict> verdicts = look(endpoints, expectation, from, deadline);
        if (is_settled(verdicts)) {
            const bool any_serves =
                std::ranges::find(verdicts, Verdict::Serving, &EndpointVerdict::verdict) != verdicts.end();
            if (was_well || !any_serves) return verdicts;
            was_well = true;
            clock.sleep(kSettling);
            continue;
        }
        was_well = false;
        if (between && !between(verdicts)) return verdicts;
        const auto left = std::chrono::ceil<base::Milliseconds>(end - clock.steady());
        if (left <= base::Milliseconds{0}) return verdicts;
        clock.sleep(std::min(pause, left));
    }
}

}  // namespace deployers
