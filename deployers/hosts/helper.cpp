// SPDX-License-Identifier: Apache-2.0
#include "deployers/hosts/helper.hpp"

#include <string_view>
#include <utility>

#include "base/encoding.hpp"
#include "base/local_stream.hpp"
#include "deployers/hosts/answers.hpp"
#include "deployers/hosts/receiver_host.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr base::Seconds kPatience{30};  // systemd starts a process for each connection
constexpr std::string_view kStart = "systemctl enable --now renewd-apply.socket";

base::Error cannot_reach(const base::Error& cause) {
    std::string hint(kStart);
    if (cause.code == Code::FileDenied)
        hint = "the socket is for root and the group of renewd-apply.socket: is this user in it?";
    return {.code = Code::HostUnreachable,
            .message = "the root helper cannot be reached (" + cause.message + "); nothing was changed",
            .hint = std::move(hint)};
}

base::Result<base::LocalStream> connect(const std::string& socket) {
    auto stream = base::LocalStream::connect(socket);
    if (!stream) return base::Failure(cannot_reach(stream.error()));
    return stream;
}

base::Error ended_at_once() {
    return {.code = Code::HostProtocol,
            .message = "it closed the connection without a word; nothing was changed",
            .hint = "journalctl -u 'renewd-apply@*'"};
}

ReceiverLink link_to(const std::string& socket) {
    return {.name = "helper " + socket,
            .connect = [socket] { return connect(socket); },
            .explain = [](const base::Completed&) { return ended_at_once(); },
            .connect_deadline = kPatience};
}

}  // namespace

std::unique_ptr<Host> make_helper_host(const std::string& socket) {
    return make_receiver_host(link_to(socket));
}

base::Result<void> greet_helper(const std::string& socket) {
    (void)TRY(parse_digests(TRY(ask_receiver(link_to(socket), "inspect 0\n")), {}));
    return {};
}

base::Result<std::size_t> ask_helper(const std::string& socket, const Installation& installation) {
    TRY(check(installation));
    const base::Secret bundle = to_bundle(installation);
    const std::string answer = TRY(ask_receiver(
        link_to(socket),
        "consider " + std::to_string(bundle.reveal().size()) + " " + base::sha256_hex(bundle.reveal()) + "\n",
        bundle));
    return parse_permission(answer);
}

}  // namespace deployers
