// SPDX-License-Identifier: Apache-2.0
// How a command tells a running agent that it has changed something, or asks it what nobody else knows: one
// line, one datagram, to a socket in the state directory. Whoever tells waits for no answer; an agent that
// misses it finds out at its next wake.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace agent {

/// What somebody has said.
struct ControlLine {
    std::string text{};
    std::string sender{};  // the address to answer to, as the kernel has it; empty: no answer is waited for
};

class ControlSocket {
  public:
    /// Takes the place of one that an earlier agent left. state/unwritable.
    [[nodiscard]] static base::Result<ControlSocket> open(const std::string& state_dir);

    /// Becomes readable when somebody has said something.
    [[nodiscard]] const base::Descriptor& descriptor() const { return socket_; }

    /// The lines that have come, at most a few hundred at once. Does not block.
    [[nodiscard]] std::vector<ControlLine> hear() const;

    /// Says `text` (2 KiB of it at most) to whoever has asked. Does not block; nobody may be there any more.
    void answer(const ControlLine& line, std::string_view text) const;

  private:
    explicit ControlSocket(base::Descriptor socket) : socket_(std::move(socket)) {}

    base::Descriptor socket_;
};

/// Says a line to the agent of this state directory, if one runs.
void tell_agent(const std::string& state_dir, std::string_view line);

/// Asks the agent of this state directory. Blocks for `patience` at most; nothing if none runs, or none has
/// answered by then. What comes is the agent's: the kernel takes it from nobody else.
[[nodiscard]] std::optional<std::string> ask_agent(const std::string& state_dir, std::string_view line,
                                                   base::Milliseconds patience);

/// Asks why the agent cannot read or write its state; the answer is empty where it can.
inline constexpr std::string_view kStateQuestion = "state";

/// Asks for what the agent's note says (agent_note.hpp), as it is now.
inline constexpr std::string_view kNoteQuestion = "note";

/// "changed NAME": a command has worked on this certificate.
[[nodiscard]] std::string changed_line(const std::string& certificate);
/// The certificate of such a line; empty for any other.
[[nodiscard]] std::string certificate_changed(std::string_view line);

}  // namespace agent
