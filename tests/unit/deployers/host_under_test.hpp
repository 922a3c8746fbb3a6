// SPDX-License-Identifier: Apache-2.0
// What the scenarios for every host share: a host that each makes anew, and an installation that gets through
// to it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "deployers/hosts/host.hpp"

namespace tests {

using MakeHost = std::function<std::unique_ptr<deployers::Host>()>;
using deployers::Installation;
using deployers::InstallOutcome;
using Names = std::vector<std::string>;

/// Installs, and requires that the host could be reached and answered.
inline std::unique_ptr<deployers::Session> install(const MakeHost& make_host,
                                                   const Installation& installation) {
    auto session = make_host()->install(installation);
    if (!session) FAIL(session.error().message);
    return std::move(session).value();
}

}  // namespace tests
