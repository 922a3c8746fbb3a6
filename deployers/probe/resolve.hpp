// SPDX-License-Identifier: Apache-2.0
// Where an endpoint is: every address behind its name, as its visitors find them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace base {
class Dns;
}  // namespace base

namespace deployers {

/// Whom to ask for names. Names without a dot, which a search list completes, and those of this machine are
/// the system's in any case.
struct NameSource {
    /// A and AAAA are asked for here; null: the system knows all names, as programs on this machine do.
    const base::Dns* dns = nullptr;
    /// A name that /etc/hosts has is what it says there, and one of which DNS says that it has no address may
    /// be known to the system in another way. False for what strangers are to find, who have neither.
    bool also_local = true;
};

struct Addresses {
    std::vector<std::string> found{};  // each once; IPv4 first, each family in one order

    struct Failure {
        std::string asked{};  // "www.example.com AAAA"
        std::string why{};
    };

    /// Questions that got no answer: there may be addresses that nobody has looked at.
    std::vector<Failure> unknown{};
};

/// The addresses of a name, or the one that `host` is; nothing found and nothing unknown: it does not
/// resolve. Blocks for the resolvers.
[[nodiscard]] Addresses resolve(const std::string& host, const NameSource& source);

/// Is it a name of this hosts(5)? Pure.
[[nodiscard]] bool is_in_hosts(std::string_view text, std::string_view host);

}  // namespace deployers
