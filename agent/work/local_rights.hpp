// SPDX-License-Identifier: Apache-2.0
// What this process may do on this machine: everything as root; what its user may, without; and through the
// root helper what the administrator's list allows (docs/security.md).
#pragma once

#include <memory>
#include <string>

#include "agent/config/config.hpp"
#include "base/file.hpp"
#include "deployers/hosts/host.hpp"

namespace agent {

/// Deployments on this machine go through the root helper: one is configured, and we are not root.
[[nodiscard]] bool uses_helper(const Config& config);

/// This machine as a host for this process. `files` is borrowed.
[[nodiscard]] std::unique_ptr<deployers::Host> make_this_machine(const Config& config, base::Files& files);

/// Could `target`, on this machine, be deployed by this process? The helper is asked, or the rights of the
/// user are looked at; nothing is touched. Answers in words, empty where there is nothing to be said; or with
/// the error that a deployment would end in.
[[nodiscard]] base::Result<std::string> may_deploy_here(const Config& config,
                                                        const CertificateConfig& certificate,
                                                        const TargetConfig& target);

/// Says, in the hint of an error that may come from missing rights, what would give them. Others stay as they
/// are.
[[nodiscard]] base::Error with_rights_explained(const Config& config, const TargetConfig& target,
                                                base::Error error);

/// What an agent without root cannot do, without a helper or with one that cannot be reached or does not work
/// for it, for its log at start; empty where there is nothing to be said. Asks the helper: blocks up to a
/// minute, normally for milliseconds.
[[nodiscard]] std::string rights_remark(const Config& config);

}  // namespace agent
