// SPDX-License-Identifier: Apache-2.0
// The texts an SSH connection is made of: options, the remote command, known_hosts, the line for sudoers.
// Pure.
#include <algorithm>

#include "base/encoding.hpp"
#include "deployers/hosts/receiver_script.hpp"
#include "deployers/hosts/ssh.hpp"

namespace deployers {

namespace {

struct HostKey {
    std::string_view type{};
    std::string_view base64{};
};

/// The two words of a public key; a comment after them is dropped. Empty ones if it is none.
HostKey parse_host_key(std::string_view text) {
    constexpr std::string_view kTypes = "abcdefghijklmnopqrstuvwxyz0123456789-.@";
    constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return {};
    const std::string_view type = text.substr(0, space);
    const std::string_view rest = text.substr(space + 1);
    const std::string_view base64 = rest.substr(0, rest.find(' '));
    const bool is_key = !type.empty() && type.find_first_not_of(kTypes) == std::string_view::npos &&
                        base64.size() >= 16 && base64.find_first_not_of(kBase64) == std::string_view::npos;
    return is_key ? HostKey{.type = type, .base64 = base64} : HostKey{};
}

void add_options(std::vector<std::string>& argv, std::initializer_list<std::string> options) {
    for (const std::string& option : options) {
        argv.emplace_back("-o");
        argv.push_back(option);
    }
}

/// As ssh_config(5) has it for a file: in quotes, since words end at a space, and without tokens.
std::string in_quotes(std::string_view path) {
    std::string text = "\"";
    for (const char character : path) {
        if (character == '"' || character == '\\') text += '\\';
        if (character == '%') text += '%';
        text += character;
    }
    return text + "\"";
}

}  // namespace

std::vector<std::string> ssh_argv(const SshDestination& destination, const std::string& known_hosts,
                                  const std::string& remote_command) {
    const bool pinned = !destination.host_keys.empty();
    std::vector<std::string> argv{"ssh", "-T"};
    if (pinned) {
        argv.insert(argv.end(), {"-F", "/dev/null"});
        // The alias is the host's own name: with an id of ours, host certificates would not match.
        add_options(argv, {"UserKnownHostsFile=" + in_quotes(known_hosts), "GlobalKnownHostsFile=/dev/null",
                           "HostKeyAlias=" + destination.host, "IdentityAgent=none"});
        if (destination.identity_file.empty()) add_options(argv, {"IdentityFile=none"});
    }
    if (!destination.identity_file.empty()) {
        argv.insert(argv.end(), {"-i", destination.identity_file});
        add_options(argv, {"IdentitiesOnly=yes"});
    }
    // ssh takes the first value it meets, so these hold whatever the user's own files say.
    add_options(argv,
                {"BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ForwardAgent=no",
                 "ClearAllForwardings=yes", "RequestTTY=no", "PermitLocalCommand=no", "RemoteCommand=none",
                 "ControlMaster=no", "ControlPath=none",
                 "ConnectTimeout=" + std::to_string(destination.connect_deadline.count()),
                 "ConnectionAttempts=1", "ServerAliveInterval=5", "ServerAliveCountMax=3", "LogLevel=ERROR"});
    if (destination.port != 0) argv.insert(argv.end(), {"-p", std::to_string(destination.port)});
    if (!destination.user.empty()) argv.insert(argv.end(), {"-l", destination.user});
    argv.insert(argv.end(), {"--", destination.host, remote_command});
    return argv;
}

std::string remote_command(bool sudo) {
    return std::string(sudo ? "sudo -n " : "") + "/bin/sh -c '" + std::string(receiver_script()) + "' renewd";
}

std::string sudoers_line(const std::string& user) {
    std::string line = user + " ALL=(root) NOPASSWD: /bin/sh -c ";
    for (const char character : receiver_script()) {
        switch (character) {
            case '\n':  // sudoers has no way to write one; no other wildcard is in the line
                line += '?';
                break;
            case '\\':  // once for sudoers, once for the pattern that it matches with
                line += R"(\\\\)";
                break;
            case '*':
            case '?':
            case '[':
            case ']':
            case '!':
            case ':':
            case ',':
            case '=':
            case '#':
                line += '\\';
                line += character;
                break;
            default:
                line += character;
        }
    }
    return line + " renewd";
}

base::Result<std::string> known_hosts_of(const SshDestination& destination) {
    std::string lines;
    for (const std::string& text : destination.host_keys) {
        const HostKey key = parse_host_key(text);
        if (key.type.empty()) {
            return base::fail(
                base::Code::ConfigWrongValue,
                destination.name + ": host_key \"" + base::printable(text, 80) + "\" is not a public key",
                "write its type and its text, as ssh-keyscan prints them: \"ssh-ed25519 AAAA…\"");
        }
        lines += destination.host + " " + std::string(key.type) + " " + std::string(key.base64) + "\n";
    }
    return lines;
}

std::string fingerprint(std::string_view host_key) {
    std::string base64(parse_host_key(host_key).base64);
    std::ranges::replace(base64, '+', '-');
    std::ranges::replace(base64, '/', '_');
    base64.erase(std::min(base64.find('='), base64.size()));
    const auto blob = base::parse_base64url(base64);
    if (!blob || blob->empty()) return {};
    std::string digest = base::base64url(base::sha256(*blob));
    std::ranges::replace(digest, '-', '+');
    std::ranges::replace(digest, '_', '/');
    return "SHA256:" + digest;
}

}  // namespace deployers
