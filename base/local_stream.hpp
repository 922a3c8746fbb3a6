// SPDX-License-Identifier: Apache-2.0
// A connection between two processes of this machine: lines and counted bytes over a Unix socket, each wait
// with an end. The other side is believed nothing: not that it reads, nor that its lines end.
#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/secret.hpp"

namespace base {

class LocalStream {
  public:
    /// Connects to the socket at `path`. file/not-found, file/denied; net/unreachable where nobody listens.
    [[nodiscard]] static Result<LocalStream> connect(const std::string& path);
    /// Takes over a connected socket, such as the stdin that systemd gives for a connection. file/io where
    /// it is none.
    [[nodiscard]] static Result<LocalStream> adopt(Descriptor socket);

    /// The user at the other end, as the kernel noted it when the connection was made. file/io.
    [[nodiscard]] Result<uid_t> peer() const;

    /// Sends all of it. net/timeout if the other side does not read on for `patience`. One that has gone is
    /// no error here: read_line() shows its end.
    [[nodiscard]] Result<void> send(std::string_view bytes, Milliseconds patience = Milliseconds(10'000));

    struct Line {
        bool end = false;  // the other side has closed the connection
        std::string text{};
    };

    /// The next line without its newline. net/timeout after `patience`, host/protocol above 64 KiB.
    [[nodiscard]] Result<Line> read_line(Milliseconds patience);
    /// The next `size` bytes; fewer where the connection ends before. net/timeout when `patience` is over
    /// for all of them together.
    [[nodiscard]] Result<Secret> read_bytes(std::size_t size, Milliseconds patience);
    /// Says that nothing more comes, and waits up to `patience` for the other side to close.
    void finish(Milliseconds patience);

  private:
    explicit LocalStream(Descriptor socket) : socket_(std::move(socket)) {}

    enum class Ready { Yes, Late };
    /// Waits for `events` of poll(2).
    [[nodiscard]] Ready wait(short events, Steady until) const;
    /// Adds what is there to the buffer; false at the end.
    [[nodiscard]] bool read_once(std::size_t size_max);

    Descriptor socket_;
    std::string buffer_{};  // read, but not asked for yet
};

}  // namespace base
