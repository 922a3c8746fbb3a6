// SPDX-License-Identifier: Apache-2.0
// How a command tells a running agent that it has changed something: one line, one datagram, to a socket in
// the state directory. Nobody waits for an answer; an agent that misses it finds out at its next wake.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agent {

class ControlSocket {
  public:
    /// Takes the place of one that an earlier agent left. state/unwritable.
    [[nodiscard]] static base::Result<ControlSocket> open(const std::string& state_dir);

    /// Becomes readable when somebody has said something.
    [[nodiscard]] const base::Descriptor& descriptor() const { return socket_; }

    /// The lines that have come, at most a few hundred at once. Does not block.
    [[nodiscard]] std::vector<std::string> hear() const;

  private:
    explicit ControlSocket(base::Descriptor socket) : socket_(std::move(socket)) {}

    base::Descriptor socket_;
};

/// Says a line to the agent of this state directory, if one runs.
void tell_agent(const std::string& state_dir, std::string_view line);

/// "changed NAME": a command has worked on this certificate.
[[nodiscard]] std::string changed_line(const std::string& certificate);
/// The certificate of such a line; empty for any other.
[[nodiscard]] std::string certificate_changed(std::string_view line);

}  // namespace agent
