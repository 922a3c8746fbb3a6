// SPDX-License-Identifier: Apache-2.0
// One descriptor that is never left blocking: every wait is a poll with a time.
#include "base/local_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace base {

namespace {

constexpr std::size_t kLineMax = std::size_t{64} * 1024;
constexpr std::size_t kChunk = 4096;

Steady from_now(Milliseconds duration) {
    return SystemClock().steady() + duration;
}

Failure connect_failed(const std::string& path, int number) {
    const std::string text = path + ": " + errno_text(number);
    if (number == ENOENT) return fail(Code::FileNotFound, text);
    if (number == EACCES || number == EPERM) return fail(Code::FileDenied, text);
    return fail(Code::NetUnreachable, text);
}

}  // namespace

Result<LocalStream> LocalStream::connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return connect_failed(path, ENAMETOOLONG);
    std::ranges::copy(path, std::begin(address.sun_path));
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) return connect_failed(path, errno);
    // On a Unix socket this never waits: a listener whose queue is full answers EAGAIN.
    if (::connect(
            socket.number(),
            reinterpret_cast<const sockaddr*>(&address),  // NOLINT(*-reinterpret-cast): the system's way
            sizeof address) != 0) {
        return connect_failed(path, errno);
    }
    return LocalStream(std::move(socket));
}

Result<LocalStream> LocalStream::adopt(Descriptor socket) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(socket.number(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return fail(Code::FileIo, "this is no connection");
    const int flags = ::fcntl(socket.number(), F_GETFL);
    (void)::fcntl(socket.number(), F_SETFL, flags | O_NONBLOCK);
    (void)::fcntl(socket.number(), F_SETFD, FD_CLOEXEC);
    return LocalStream(std::move(socket));
}

Result<uid_t> LocalStream::peer() const {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket_.number(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 ||
        credentials.pid == 0) {
        return fail(Code::FileIo, "the system does not say who is at the other end of this connection");
    }
    return credentials.uid;
}

LocalStream::Ready LocalStream::wait(short events, Steady until) const {
    for (;;) {
        const auto rest = std::chrono::ceil<Milliseconds>(until - from_now(Milliseconds(0)));
        pollfd entry{.fd = socket_.number(), .events = events, .revents = 0};
        const int timeout = static_cast<int>(std::clamp<Milliseconds::rep>(rest.count(), 0, 3'600'000));
        if (::poll(&entry, 1, timeout) > 0) return Ready::Yes;
        if (from_now(Milliseconds(0)) >= until) return Ready::Late;
    }
}

Result<void> LocalStream::send(std::string_view bytes, Milliseconds patience) {
    Steady until = from_now(patience);
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            until = from_now(patience);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) return {};  // it has gone
        if (wait(POLLOUT, until) == Ready::Late)
            return fail(Code::NetTimeout, "the other side does not take what it is sent");
    }
    return {};
}

bool LocalStream::read_once(std::size_t size_max) {
    const std::size_t had = buffer_.size();
    buffer_.resize(had + std::min(size_max, kChunk));
    const ssize_t taken = ::recv(socket_.number(), &buffer_[had], buffer_.size() - had, 0);
    buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(taken, 0)));
    return taken > 0 || (taken < 0 && (errno == EAGAIN || errno == EINTR));
}

Result<LocalStream::Line> LocalStream::read_line(Milliseconds patience) {
    const Steady until = from_now(patience);
    for (;;) {
        const std::size_t size = buffer_.find('\n');
        if (size != std::string::npos) {
            Line line{.text = buffer_.substr(0, size)};
            buffer_.erase(0, size + 1);
            return line;
        }
        if (buffer_.size() > kLineMax) return fail(Code::HostProtocol, "a line of more than 64 KiB");
        if (wait(POLLIN, until) == Ready::Late)
            return fail(Code::NetTimeout, "the other side did not answer in time");
        // A line that was not ended is none: whoever sent it has gone in the middle.
        if (!read_once(kChunk)) return Line{.end = true};
    }
}

Result<Secret> LocalStream::read_bytes(std::size_t size, Milliseconds patience) {
    const Steady until = from_now(patience);
    std::string bytes;
    bytes.reserve(size);  // or growing would leave copies of a key behind
    for (;;) {
        const std::size_t taken = std::min(size - bytes.size(), buffer_.size());
        bytes.append(buffer_, 0, taken);
        std::fill_n(buffer_.begin(), taken, '\0');
        buffer_.erase(0, taken);
        if (bytes.size() == size) return Secret(std::move(bytes));
        if (wait(POLLIN, until) == Ready::Late)
            return fail(Code::NetTimeout, "the other side did not send what it had announced in time");
        if (!read_once(size - bytes.size())) return Secret(std::move(bytes));
    }
}

void LocalStream::finish(Milliseconds patience) {
    (void)::shutdown(socket_.number(), SHUT_WR);
    const Steady until = from_now(patience);
    while (wait(POLLIN, until) == Ready::Yes && read_once(kChunk)) buffer_.clear();
    socket_.close();
}

}  // namespace base
