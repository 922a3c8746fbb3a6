// SPDX-License-Identifier: Apache-2.0
// A host at the other end of a conversation as docs/installation.md has it: receiver.sh, behind a program's
// stdin and stdout, or the root helper behind a socket of this machine. How either is reached, and what its
// failures mean, is the affair of whoever knows it (ssh.cpp, helper.cpp).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/local_stream.hpp"
#include "base/process.hpp"
#include "base/secret.hpp"
#include "deployers/hosts/host.hpp"

namespace deployers {

struct ReceiverLink {
    std::string name{};  // of the host, for messages
    /// What to start; its deadline is set by the conversation. Or `connect`, whose errors are told as they
    /// are.
    std::function<base::Result<base::Command>()> command{};
    std::function<base::Result<base::LocalStream>()> connect{};
    /// What it means that it ended before the receiver had said a word. Nothing was sent by then.
    std::function<base::Error(const base::Completed&)> explain{};
    base::Seconds connect_deadline{10};  // for the first word
};

[[nodiscard]] std::unique_ptr<Host> make_receiver_host(ReceiverLink link);

/// Asks one question, which changes nothing, and returns the one line of the answer. `bundle` follows where
/// the question announces one. host/….
[[nodiscard]] base::Result<std::string> ask_receiver(const ReceiverLink& link, const std::string& question,
                                                     const base::Secret& bundle = {});

}  // namespace deployers
