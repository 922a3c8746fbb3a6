// SPDX-License-Identifier: Apache-2.0
// The words for what can go wrong on a host during a deployment. Pure: from the installation and the host's
// report to an error, so that transaction.cpp is the course of events alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "deployers/hosts/host.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// deploy/service-broken: its own test fails without us.
[[nodiscard]] base::Error service_broken(const Installation& installation, const InstallReport& report,
                                         std::string_view certificate);
/// deploy/test-failed: the new files did not pass.
[[nodiscard]] base::Error test_failed(const Installation& installation, const InstallReport& report,
                                      std::string_view certificate);
/// deploy/write-failed
[[nodiscard]] base::Error write_failed(const InstallReport& report, std::string_view certificate);
/// "; the service was not restarted, for …", or nothing where a restart could be tried (or there is none).
[[nodiscard]] std::string why_not_restarted(const Installation& installation, const InstallReport& restored);
/// deploy/reload-failed; `seen` is what the endpoints showed, empty if nobody looked.
[[nodiscard]] base::Error reload_failed(const Installation& installation, const CommandReport& reload,
                                        std::string_view certificate, const std::string& seen);
/// deploy/not-running: it was not, and it was not started.
[[nodiscard]] base::Error not_running(const Installation& installation, const CommandReport& reload,
                                      std::string_view certificate, const std::string& seen);

}  // namespace deployers
