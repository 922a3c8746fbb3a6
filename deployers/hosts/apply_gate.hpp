// SPDX-License-Identifier: Apache-2.0
// What the root helper asks before it does anything for its peer: the administrator's list, read afresh for
// each request, and the paths as they are on this machine now.
#pragma once

#include <functional>
#include <string>

#include "base/file.hpp"
#include "deployers/hosts/allow_list.hpp"
#include "deployers/hosts/local.hpp"

namespace deployers {

/// What is asked, and whom: a seam, so that the conversation can be tested with another list or none.
struct Gate {
    /// How many lines the list has, if all of this is permitted. Touches nothing.
    std::function<base::Result<std::size_t>(const Installation&)> permit{};
    /// May the digest of this file be told?
    std::function<base::Result<void>(const std::string& path)> permit_look{};
    /// Which file is executed for a command that is permitted. None: whatever is found.
    FindProgram find_program{};
};

/// The list at `path`, if it is in nobody's hands but root's: file/unsafe names the chown or chmod that is
/// missing, deploy/not-allowed that there is no list, config/syntax what cannot be understood.
[[nodiscard]] base::Result<AllowList> read_allow_list(base::Files& files, const std::string& path);

/// The gate of an administrator's list. Permitted is what the list says (judge()), what the files may hold
/// (check_contents()), and no path that leads through a symbolic link below a listed directory, and no
/// program that is not there, or that anybody but root can write or put another one in the place of. Where a
/// program is, is asked again right before it is run. `files` is borrowed.
[[nodiscard]] Gate make_gate(base::Files& files, const std::string& list_path);

}  // namespace deployers
