// SPDX-License-Identifier: Apache-2.0
#include "agent/work/control.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
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

const sockaddr* generic(const Place& place) {
    return reinterpret_cast<const sockaddr*>(&place.address);
}

}  // namespace

base::Result<ControlSocket> ControlSocket::open(const std::string& state_dir) {
    const Place place = place_in(state_dir);
    Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::unlink(place.address.sun_path);  // the caller is the only agent here
    if (::bind(socket.number(), generic(place), sizeof place.address) != 0) {
        return base::fail(base::Code::StateUnwritable,
                          state_dir + "/control: no socket: " + base::errno_text(errno));
    }
    (void)::chmod(place.address.sun_path, 0600);  // the directory is closed to others already
    return ControlSocket(std::move(socket));
}

std::vector<std::string> ControlSocket::hear() const {
    std::vector<std::string> lines;
    std::array<char, kLineMax> buffer{};
    for (int i = 0; i < kLinesAtOnce; ++i) {
        const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), 0);
        if (size < 0) break;
        lines.emplace_back(buffer.data(), static_cast<std::size_t>(size));
    }
    return lines;
}

void tell_agent(const std::string& state_dir, std::string_view line) {
    const Place place = place_in(state_dir);
    const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    (void)::sendto(socket.number(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT, generic(place),
                   sizeof place.address);
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
