// SPDX-License-Identifier: Apache-2.0
// A host at the other end of a program's stdin and stdout, where receiver.sh runs: the conversation of
// docs/installation.md. How that program is started, and what its failures mean, is the affair of whoever
// knows it (ssh.cpp).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/process.hpp"
#include "deployers/hosts/host.hpp"

namespace deployers {

struct ReceiverLink {
    std::string name{};  // of the host, for messages
    /// What to start; its deadline is set by the conversation.
    std::function<base::Result<base::Command>()> command{};
    /// What it means that the program ended before the receiver had said a word. Nothing was sent by then.
    std::function<base::Error(const base::Completed&)> explain{};
    base::Seconds connect_deadline{10};  // for the first word
};

[[nodiscard]] std::unique_ptr<Host> make_receiver_host(ReceiverLink link);

}  // namespace deployers
