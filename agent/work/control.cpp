// SPDX-License-Identifier: Apache-2.0
#include "agent/work/control.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/config/config.hpp"

namespace agent {

using base::Descriptor;

namespace {

constexpr std::string_view kChanged = "changed ";
constexpr std::size_t kLineMax = 512;
constexpr std::size_t kAnswerMax = 2048;
constexpr int kLinesAtOnce = 256;

/// A socket's address has room for 107 bytes, a state directory may be deeper: it is named through a
/// descriptor.
struct Place {
    Descriptor directory{};
    sockaddr_un address{};
};

Place place_in(const std::string& state_dir) {
    Place place{.directory = Descriptor(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))};
    place.address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(place.directory.number()) + "/control";
    std::memcpy(place.address.sun_path, path.c_str(), path.size() + 1);
    return place;
}

const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

base::Result<ControlSocket> ControlSocket::open(const std::string& state_dir) {
    const Place place = place_in(state_dir);
    Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::unlink(place.address.sun_path);  // the caller is the only agent here
    if (::bind(socket.number(), generic(place.address), sizeof place.address) != 0) {
        return base::fail(base::Code::StateUnwritable,
                          state_dir + "/control: no socket: " + base::errno_text(errno));
    }
    (void)::chmod(place.address.sun_path, 0600);  // the directory is closed to others already
    return ControlSocket(std::move(socket));
}

std::vector<ControlLine> ControlSocket::hear() const {
    std::vector<ControlLine> lines;
    std::array<char, kLineMax> buffer{};
    for (int i = 0; i < kLinesAtOnce; ++i) {
        sockaddr_un sender{};
        socklen_t length = sizeof sender;
        const auto size = ::recvfrom(socket_.number(), buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&sender), &length);
        if (size < 0) break;
        ControlLine line{.text = std::string(buffer.data(), static_cast<std::size_t>(size))};
        const bool has_a_name = length > sizeof sender.sun_family;
        if (has_a_name) line.sender.assign(reinterpret_cast<const char*>(&sender), length);
        lines.push_back(std::move(line));
    }
    return lines;
}

void ControlSocket::answer(const ControlLine& line, std::string_view text) const {
    sockaddr_un asker{};
    if (line.sender.empty() || line.sender.size() > sizeof asker) return;
    std::memcpy(&asker, line.sender.data(), line.sender.size());
    const std::string_view said = text.substr(0, kAnswerMax);
    (void)::sendto(socket_.number(), said.data(), said.size(), MSG_NOSIGNAL | MSG_DONTWAIT, generic(asker),
                   static_cast<socklen_t>(line.sender.size()));
}

void tell_agent(const std::string& state_dir, std::string_view line) {
    const Place place = place_in(state_dir);
    const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    (void)::sendto(socket.number(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                   generic(place.address), sizeof place.address);
}

std::optional<std::string> ask_agent(const std::string& state_dir, std::string_view line,
                                     base::Milliseconds patience) {
    const Place place = place_in(state_dir);
    const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    // Connected first: by the time that it has a name, only the agent can send to it.
    if (::connect(socket.number(), generic(place.address), sizeof place.address) != 0) return std::nullopt;
    // unix(7), autobind: a name that the kernel chooses, and no file.
    const sockaddr_un any{.sun_family = AF_UNIX, .sun_path = {}};
    if (::bind(socket.number(), generic(any), sizeof any.sun_family) != 0) return std::nullopt;
    if (::send(socket.number(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return std::nullopt;
    pollfd answer{.fd = socket.number(), .events = POLLIN, .revents = 0};
    if (::poll(&answer, 1, static_cast<int>(patience.count())) != 1) return std::nullopt;
    std::array<char, kAnswerMax> buffer{};
    const auto size = ::recv(socket.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string changed_line(const std::string& certificate) {
    return std::string(kChanged) + certificate;
}

std::string certificate_changed(std::string_view line) {
    if (!line.starts_with(kChanged)) return {};
    line.remove_prefix(kChanged.size());
    return check_certificate_name(line) ? std::string(line) : std::string();
}

}  // namespace agent
