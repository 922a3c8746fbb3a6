// SPDX-License-Identifier: Apache-2.0
// Walks a path the way the kernel does, and looks at each step.
#include "deployers/hosts/safe_path.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <sys/stat.h>

#include "base/encoding.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr int kLinksMax = 8;  // an administrator's chain of links is one or two long

base::Failure refuse(const std::string& message, const std::string& hint) {
    return base::fail(Code::DeployUnsafePath, message, hint);
}

/// "/a/b/c" -> "a"; the rest stays.
std::string take_step(std::string& rest) {
    rest.erase(0, std::min(rest.find_first_not_of('/'), rest.size()));
    const std::size_t end = std::min(rest.find('/'), rest.size());
    std::string step = rest.substr(0, end);
    rest.erase(0, end);
    return step;
}

base::Result<void> check_step(const std::string& path, const base::FileInfo& info, uid_t user) {
    if (info.uid != 0 && info.uid != user) {
        return refuse(
            path + " belongs to user " + std::to_string(info.uid) + ", who could lead the files elsewhere",
            "give it to root, or deploy to a directory that is root's");
    }
    if (info.kind == base::FileKind::Symlink) return {};
    if (info.kind != base::FileKind::Directory) return refuse(path + " is no directory", "");
    if ((info.mode & (S_IWGRP | S_IWOTH)) != 0 && (info.mode & S_ISVTX) == 0) {
        return refuse("others than its owner may write to " + path + ", and could lead the files elsewhere",
                      "chmod go-w " + path);
    }
    return {};
}

/// Where the walk stands: all before it has been looked at.
struct Walk {
    std::string at{};    // without a slash at its end: empty is "/"
    std::string rest{};  // still to go
    int links = 0;
};

/// Goes through the symbolic link at `link`.
base::Result<void> follow(base::Files& files, Walk& walk, const std::string& link) {
    if (++walk.links > kLinksMax) return refuse(link + ": too many symbolic links", "");
    const std::string text = TRY(files.read_symlink(link));
    walk.rest = text + "/" + walk.rest;
    if (text.starts_with('/')) walk.at.clear();
    return {};
}

bool is_at_end(const Walk& walk) {
    return walk.rest.find_first_not_of('/') == std::string::npos;
}

/// Nothing where a step is not there. A file at the end is not judged.
base::Result<std::optional<PathEnd>> walk_to_end(base::Files& files, const std::string& path, uid_t user) {
    PathEnd last{.path = "/", .info = TRY(files.info("/"))};
    TRY(check_step(last.path, last.info, user));
    Walk walk{.rest = path};
    while (!is_at_end(walk)) {
        const std::string step = take_step(walk.rest);
        if (step == ".") continue;
        if (step == "..") {  // only out of a link's text: looked at on the way down
            walk.at = walk.at.empty() ? "" : walk.at.substr(0, walk.at.rfind('/'));
            continue;
        }
        last.path = walk.at + "/" + step;
        const base::Result<base::FileInfo> info = files.info(last.path);
        if (!info && info.error().code == Code::FileNotFound) return std::nullopt;
        if (!info) return base::Failure(info.error());
        last.info = *info;
        if (info->kind == base::FileKind::Regular && is_at_end(walk)) break;
        TRY(check_step(last.path, *info, user));
        if (info->kind == base::FileKind::Symlink) {
            TRY(follow(files, walk, last.path));
        } else {
            walk.at = last.path;
        }
    }
    return last;
}

}  // namespace

base::Result<void> check_directory(base::Files& files, const std::string& directory, uid_t user) {
    const std::optional<PathEnd> end = TRY(walk_to_end(files, directory, user));
    if (end && end->info.kind == base::FileKind::Regular) return refuse(end->path + " is no directory", "");
    return {};
}

base::Result<PathEnd> follow_path(base::Files& files, const std::string& path, uid_t user) {
    std::optional<PathEnd> end = TRY(walk_to_end(files, path, user));
    if (!end) return base::fail(Code::FileNotFound, "there is no " + path);
    return *std::move(end);
}

base::Result<void> check_replaceable(base::Files& files, const std::string& path) {
    const base::Result<base::FileInfo> info = files.info(path);
    if (!info && info.error().code == Code::FileNotFound) return {};
    if (!info) return base::Failure(info.error());
    if (info->kind == base::FileKind::Regular) return {};
    if (info->kind == base::FileKind::Symlink) {
        return refuse(
            path + " is a symbolic link, and belongs to whoever made it (certbot's live/ holds such)",
            "name another path, or remove the link");
    }
    return refuse(path + " is no regular file", "name another path");
}

}  // namespace deployers
