// SPDX-License-Identifier: Apache-2.0
// One deployment of one generation to one target, as a transaction (DESIGN.md §5): proven, installed, tested,
// reloaded, seen to be served; or what was there before is back. It never ends in between without saying so.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "deployers/generation.hpp"
#include "deployers/hosts/host.hpp"
#include "deployers/installation.hpp"
#include "deployers/probe/endpoint.hpp"
#include "deployers/probe/resolve.hpp"
#include "deployers/probe/verdict.hpp"

namespace deployers {

struct DeploymentRequest {
    const Generation* wanted = nullptr;
    std::vector<EarlierLeaf> earlier{};  // of our earlier generations
    std::vector<std::string> revoked{};  // leaves (SHA-256) that are not to come back, whatever their dates
    Installation installation{};
    std::vector<Endpoint> endpoints{};  // of the target; none: it ends `unverified`
    const base::Anchors* anchors = nullptr;
    NameSource names{};  // who knows where the endpoints are
    base::Milliseconds verify_for{60'000};
    /// "write", "reload", "verify", with a detail for people; may be empty.
    std::function<void(std::string_view step, std::string_view detail)> progress{};
};

struct DeploymentOutcome {
    bool installed = false;  // the wanted generation's files are in place
    bool wrote = false;      // this run changed files
    bool served = false;     // every endpoint serves it; false without endpoints
    std::vector<EndpointVerdict> endpoints{};
    std::optional<base::Error> error{};  // why not, where it is not as it should be
    std::vector<std::string> remarks{};  // for people: what else came to light and is no failure
};

/// How long an executor stays: until after `verify_for` has passed in vain it can still be told to restore
/// what was there before, whatever the locks and commands before have cost.
[[nodiscard]] base::Seconds executor_deadline(base::Seconds command_deadline, base::Milliseconds verify_for);

/// Blocks: the host's time, then up to verify_for. Never throws, never leaves a target in between.
[[nodiscard]] DeploymentOutcome deploy(const DeploymentRequest& request, Host& host, base::Clock& clock);

}  // namespace deployers
