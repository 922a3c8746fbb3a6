// SPDX-License-Identifier: Apache-2.0
// Who is looked at, how often and for how long. A reload's exit code proves nothing (nginx serves the old
// certificate for about 100 ms after it, Apache for about a second), so looking again is the normal case, and
// a look counts only whole.
#include "deployers/probe/look.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/identifier.hpp"
#include "base/openssl.hpp"
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

using AddressesPtr = std::unique_ptr<addrinfo, base::Deleter<freeaddrinfo>>;

std::string numeric(const addrinfo& entry) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (entry.ai_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in*>(entry.ai_addr)->sin_addr;
    if (entry.ai_family == AF_INET6) bytes = &reinterpret_cast<const sockaddr_in6*>(entry.ai_addr)->sin6_addr;
    if (bytes == nullptr || inet_ntop(entry.ai_family, bytes, text.data(), text.size()) == nullptr) return {};
    return text.data();
}

/// One address of one endpoint, and what it turned out to be.
struct Task {
    std::size_t endpoint = 0;
    std::string ip{};
    AddressVerdict verdict{};
};

std::vector<Task> tasks_for(const std::vector<Endpoint>& endpoints) {
    std::vector<std::vector<std::string>> addresses(endpoints.size());
    base::in_parallel(endpoints.size(), kAtOnce, [&](std::size_t i) {
        const Endpoint& endpoint = endpoints[i];
        addresses[i] = endpoint.address.empty() ? resolve(endpoint.host) : std::vector{endpoint.address};
    });
    std::vector<Task> tasks;
    for (std::size_t i = 0; i < endpoints.size(); ++i)
        for (std::string& ip : addresses[i]) tasks.push_back({.endpoint = i, .ip = std::move(ip)});
    return tasks;
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
        seen.push_back(observe(endpoint, ip, port, deadline));
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

std::vector<std::string> resolve(const std::string& host) {
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return {};
    const AddressesPtr owned(found);
    std::vector<std::string> addresses;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        std::string text = numeric(*entry);
        if (!text.empty()) addresses.push_back(std::move(text));
    }
    // IPv4 first, each in one order: name servers rotate theirs, and what people read should not.
    std::ranges::sort(addresses, [](const std::string& a, const std::string& b) {
        const std::string left = base::address_bytes(a);
        const std::string right = base::address_bytes(b);
        return left.size() != right.size() ? left.size() < right.size() : left < right;
    });
    const auto repeated = std::ranges::unique(addresses);
    addresses.erase(repeated.begin(), repeated.end());
    return addresses;
}

std::vector<EndpointVerdict> look(const std::vector<Endpoint>& endpoints, const Expectation& expectation,
                                  const base::Anchors& anchors, base::Clock& clock,
                                  base::Milliseconds deadline) {
    std::vector<Task> tasks = tasks_for(endpoints);
    base::in_parallel(tasks.size(), kAtOnce, [&](std::size_t i) {
        Task& task = tasks[i];
        const Endpoint& endpoint = endpoints[task.endpoint];
        Expectation expected = expectation;
        expected.sni = name_of(endpoint);
        task.verdict = judge(observe_address(endpoint, task.ip, deadline), expected, anchors, clock.now());
    });
    std::vector<std::vector<AddressVerdict>> of_endpoint(endpoints.size());
    for (Task& task : tasks) of_endpoint[task.endpoint].push_back(std::move(task.verdict));
    std::vector<EndpointVerdict> verdicts;
    verdicts.reserve(endpoints.size());
    for (std::size_t i = 0; i < endpoints.size(); ++i)
        verdicts.push_back(combine(endpoints[i].text, std::move(of_endpoint[i])));
    return verdicts;
}

std::vector<EndpointVerdict> look_until_served(
    const std::vector<Endpoint>& endpoints, const Expectation& expectation, const base::Anchors& anchors,
    base::Clock& clock, base::Milliseconds patience,
    const std::function<bool(const std::vector<EndpointVerdict>&)>& between) {
    const base::Steady end = clock.steady() + patience;
    const base::Milliseconds deadline = std::clamp(patience, kHandshakeLeast, kHandshakeMax);
    bool was_well = false;
    for (base::Milliseconds pause = kPauseFirst;; pause = std::min(2 * pause, kPauseMax)) {
        std::vector<EndpointVerdict> verdicts = look(endpoints, expectation, anchors, clock, deadline);
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
