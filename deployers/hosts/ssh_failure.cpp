// SPDX-License-Identifier: Apache-2.0
// What ssh says when it does not get there, as an error that says what to do. ssh exits with 255 for
// everything, and so may whatever ran on the other side: only its words tell.
#include <array>

#include "base/encoding.hpp"
#include "deployers/hosts/ssh.hpp"

namespace deployers {

namespace {

using base::Code;

struct Meaning {
    std::string_view words;
    Code code;
    std::string_view message;
    std::string_view hint;
};

// In this order: a changed key also makes ssh say that verification failed, and sudo's refusal is no login's.
constexpr std::array kMeanings{
    Meaning{"sudo:", Code::HostSudoRefused, "sudo there does not let us run renewd's script as root",
            "allow the account that one command in sudoers, without a password (docs/installation.md), or "
            "set sudo = false"},
    Meaning{"is not allowed to execute", Code::HostSudoRefused,
            "sudo there does not let us run renewd's script as root",
            "allow the account that one command in sudoers, without a password (docs/installation.md), or "
            "set sudo = false"},
    Meaning{"sudo: not found", Code::HostSudoRefused, "there is no sudo on the host",
            "install it, or set sudo = false"},
    Meaning{"REMOTE HOST IDENTIFICATION HAS CHANGED", Code::HostKeyChanged, "", ""},
    Meaning{"host key is known for", Code::HostKeyUnknown, "its host key is not known here",
            "compare the fingerprint with the host's own, then set host_key, or add it to known_hosts"},
    Meaning{"Host key verification failed", Code::HostKeyUnknown, "its host key is not one we know",
            "compare the fingerprint with the host's own, then set host_key, or add it to known_hosts"},
    Meaning{"no matching host key type", Code::HostKeyChanged, "", ""},
    Meaning{"Permission denied", Code::HostLoginRefused, "the login was refused",
            "put the public half of identity_file into the account's authorized_keys"},
    Meaning{"Too many authentication failures", Code::HostLoginRefused, "the login was refused",
            "set identity_file, so that only that key is offered"},
    Meaning{"Could not resolve hostname", Code::HostUnreachable, "its name does not resolve",
            "look at `ssh` of the host"},
    Meaning{"Connection refused", Code::HostUnreachable, "nothing listens there",
            "is sshd running, and is it this port?"},
    Meaning{"No route to host", Code::HostUnreachable, "there is no route to it", ""},
    Meaning{"Network is unreachable", Code::HostUnreachable, "there is no route to it", ""},
    Meaning{"during banner exchange", Code::HostTimeout, "it accepts the connection and then says nothing",
            ""},
    Meaning{"Connection timed out", Code::HostUnreachable, "it does not answer", ""},
    Meaning{"Operation timed out", Code::HostUnreachable, "it does not answer", ""},
    Meaning{"Timeout, server", Code::HostTimeout, "it has stopped answering", ""},
    Meaning{"Connection closed by", Code::HostUnreachable, "it closed the connection at once",
            "look at its sshd's log: MaxStartups, or a fail2ban, does so"},
    Meaning{"Connection reset by", Code::HostUnreachable, "it broke the connection off", ""},
    Meaning{"kex_exchange_identification", Code::HostUnreachable, "what answers there is no SSH server", ""},
};

/// The fingerprint ssh prints of the key it was offered: "SHA256:" and 43 characters of base64.
std::string offered_fingerprint(std::string_view words) {
    constexpr std::size_t kLength = 7 + 43;
    const std::size_t at = words.find("SHA256:");
    return at == std::string_view::npos ? std::string() : base::printable(words.substr(at, kLength));
}

base::Error key_changed(const SshDestination& destination, const std::string& words) {
    std::string message = destination.name + " shows another host key than the one we know";
    const std::string offered = offered_fingerprint(words);
    if (!offered.empty()) message += ": it shows " + offered;
    std::string known;
    for (const std::string& key : destination.host_keys)
        known += (known.empty() ? "" : ", ") + fingerprint(key);
    if (!known.empty()) message += ", pinned is " + known;
    return {.code = Code::HostKeyChanged,
            .message = message + "; nothing was sent",
            .hint =
                "was the host reinstalled? Compare the fingerprint with the one the host itself prints "
                "(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then change " +
                std::string(destination.host_keys.empty() ? "known_hosts" : "host_key") +
                "; otherwise somebody stands in between"};
}

/// The last line of what was printed: the cause, after all warnings.
std::string last_line(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    const std::size_t at = text.rfind('\n');
    return base::printable(at == std::string_view::npos ? text : text.substr(at + 1), /*length_max=*/300);
}

}  // namespace

base::Error explain_ssh(const SshDestination& destination, const base::Completed& ended) {
    const std::string said = last_line(ended.err.empty() ? ended.out : ended.err);
    for (const Meaning& meaning : kMeanings) {
        if (ended.err.find(meaning.words) == std::string::npos) continue;
        if (meaning.code == Code::HostKeyChanged) return key_changed(destination, ended.err);
        std::string hint(meaning.hint);
        if (meaning.code == Code::HostLoginRefused && !destination.host_keys.empty() &&
            destination.identity_file.empty()) {
            hint = "set identity_file: with host_key pinned, no key of the user's own ssh set-up is offered";
        }
        return {.code = meaning.code,
                .message = destination.name + ": " + std::string(meaning.message) + "; nothing was sent (" +
                           said + ")",
                .hint = hint};
    }
    if (ended.timed_out) {
        return {.code = Code::HostTimeout,
                .message = destination.name + " did not answer in time; nothing was sent"};
    }
    // 255 is ssh's own failure, and at LogLevel=ERROR it does not say that a peer has stopped answering.
    if (ended.exit_code == 255 && said.empty()) {
        return {
            .code = Code::HostTimeout,
            .message = destination.name + ": the connection was made and then went dead; nothing was sent"};
    }
    return {.code = Code::HostProtocol,
            .message = destination.name + ": the login ended (" + ended.describe() +
                       ") without running renewd's script; nothing was sent" +
                       (said.empty() ? "" : " (it said: " + said + ")"),
            .hint = "the account needs a shell that can run /bin/sh -c"};
}

}  // namespace deployers
