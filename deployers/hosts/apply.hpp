// SPDX-License-Identifier: Apache-2.0
// The root helper's half of the conversation of docs/installation.md: what receiver.sh is over SSH, for an
// agent on this machine that is not root. One connection, one process, one installation; no network, no state
// but the files. What is done is done by the same code as for a renewd that runs as root (local.cpp).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/local_stream.hpp"
#include "deployers/hosts/apply_gate.hpp"

namespace deployers {

struct ApplyOptions {
    /// Who may ask: these users, and root, who needs no helper.
    std::vector<uid_t> peers{};
    /// For the first word, and for the bundle after it.
    base::Seconds patience{60};
    /// One line for the journal about each thing that was done or refused.
    std::function<void(const std::string&)> tell{};
};

/// Serves one connection to its end. Blocks up to the installation's deadline and what its commands take,
/// whatever the other side does. Every refusal is sent as an error with its code and hint; nothing was
/// touched then.
void serve(base::LocalStream& peer, base::Files& files, const Gate& gate, const ApplyOptions& options);

}  // namespace deployers
