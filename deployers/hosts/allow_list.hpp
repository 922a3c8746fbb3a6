// SPDX-License-Identifier: Apache-2.0
// What an administrator allows whoever writes files for renewd as root (INTERFACE, "The root helper and the
// SSH receiver"): `write DIR OWNER:GROUP MODE` and `run ARGV…`, one a line, and nothing else. Reading and
// judging are pure; whether the list itself is in trusted hands is apply_gate.cpp's affair.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// `write DIR OWNER:GROUP MODE`: files anywhere below DIR, of that owner and group, with no bit beyond MODE.
struct WriteRule {
    std::string directory{};  // in its normal form, never "/"
    std::string owner{}, group{};
    int mode = 0;
    friend bool operator==(const WriteRule&, const WriteRule&) = default;
};

struct AllowList {
    std::vector<WriteRule> writes{};
    std::vector<std::vector<std::string>> runs{};  // argv, word for word

    [[nodiscard]] std::size_t size() const { return writes.size() + runs.size(); }
};

/// Reads a list. Empty lines and lines that begin with # are passed over; words of a command are separated by
/// spaces, and there is no way to write one that holds a space. One line that cannot be understood spoils the
/// list: config/syntax names FILE:LINE and what would be right.
[[nodiscard]] base::Result<AllowList> parse_allow_list(std::string_view text, const std::string& file);

/// "write /etc/nginx/tls root:root 0644", as a line of the list.
[[nodiscard]] std::string to_line(const WriteRule& rule);

/// May this be done? deploy/not-allowed says what is not in the list (called `file` in the message); its hint
/// has every line that would permit it. A private key that others may read is refused whatever the list says.
[[nodiscard]] base::Result<void> judge(const AllowList& list, const Installation& installation,
                                       const std::string& file);
/// May the content of this file be looked at? deploy/not-allowed.
[[nodiscard]] base::Result<void> judge_look(const AllowList& list, const std::string& path,
                                            const std::string& file);

/// The listed directory that `path` lies below, or that it is; the longest one, empty if there is none.
[[nodiscard]] std::string listed_directory(const AllowList& list, const std::string& path);

}  // namespace deployers
