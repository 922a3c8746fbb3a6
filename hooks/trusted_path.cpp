// SPDX-License-Identifier: Apache-2.0
#include "hooks/trusted_path.hpp"

#include <algorithm>
#include <climits>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/encoding.hpp"

namespace hooks {

using base::Code;
using base::Result;

namespace {

constexpr unsigned kLinksMax = 40;  // as the kernel has it (path_resolution(7))

/// `step` is a directory, a link, or the file at the end of the way that `path` takes.
Result<void> judge_step(const std::string& path, const std::string& step, const base::FileInfo& info,
                        Code unsafe) {
    const std::string shown = base::printable(step, PATH_MAX);
    const std::string what = path == step ? shown : base::printable(path, PATH_MAX) + " is not run: " + shown;
    if (info.uid != 0 && info.uid != ::geteuid()) {
        return base::fail(unsafe,
                          what + " belongs to somebody else (user id " + std::to_string(info.uid) + ")",
                          (info.kind == base::FileKind::Symlink ? "chown -h root " : "chown root ") + shown);
    }
    // In a sticky directory nobody can replace what belongs to another; a link's own bits mean nothing.
    const bool is_sticky = info.kind == base::FileKind::Directory && (info.mode & 01000) != 0;
    if (info.kind == base::FileKind::Symlink || is_sticky || (info.mode & 0022) == 0) return {};
    return base::fail(unsafe, what + " can be changed by others", "chmod go-w " + shown);
}

void push_front(std::deque<std::string>& parts, std::string_view path) {
    std::vector<std::string> found;
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        if (end > begin) found.emplace_back(path.substr(begin, end - begin));
        begin = end + 1;
    }
    parts.insert(parts.begin(), found.begin(), found.end());
}

}  // namespace

Result<std::string> trusted_path(base::Files& files, const std::string& path, Code unsafe) {
    std::string current;  // "" is "/"
    std::deque<std::string> parts;
    push_front(parts, path);
    TRY(judge_step(path, "/", TRY(files.info("/")), unsafe));
    for (unsigned links = 0; !parts.empty();) {
        const std::string part = std::move(parts.front());
        parts.pop_front();
        if (part == ".") continue;
        if (part == "..") {
            current.erase(std::min(current.rfind('/'), current.size()));
            continue;
        }
        const std::string next = current + "/" + part;
        const base::FileInfo info = TRY(files.info(next));
        TRY(judge_step(path, next, info, unsafe));
        if (info.kind != base::FileKind::Symlink) {
            current = next;
            continue;
        }
        if (++links > kLinksMax)
            return base::fail(unsafe,
                              base::printable(path, PATH_MAX) + " is a link that leads round in circles");
        const std::string text = TRY(files.read_symlink(next));
        if (text.starts_with('/')) current.clear();
        push_front(parts, text);
    }
    return current;
}

}  // namespace hooks
