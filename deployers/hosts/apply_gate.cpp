// SPDX-License-Identifier: Apache-2.0
#include "deployers/hosts/apply_gate.hpp"

#include <sys/stat.h>

#include "base/process.hpp"
#include "deployers/hosts/contents.hpp"
#include "deployers/hosts/safe_path.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr std::size_t kListSizeMax = std::size_t{256} * 1024;
constexpr uid_t kRoot = 0;

/// Root's own, and nobody else may write it.
base::Result<void> check_hands(const std::string& path, const base::FileInfo& info) {
    const auto refuse = [&](const std::string& why, const std::string& command) {
        return base::fail(Code::FileUnsafe,
                          path + " " + why + "; nothing is done while others could decide what root does",
                          command);
    };
    if (info.uid != kRoot)
        return refuse("belongs to user " + std::to_string(info.uid), "chown root:root " + path);
    if ((info.mode & (S_IWGRP | S_IWOTH)) != 0)
        return refuse("can be written by others than root", "chmod go-w " + path);
    return {};
}

/// Below a listed directory no step may be a symbolic link: "below" means below.
base::Result<void> check_no_links(base::Files& files, const std::string& listed, const std::string& path) {
    for (std::size_t end = path.find('/', listed.size() + 1); end != std::string::npos;
         end = path.find('/', end + 1)) {
        const std::string step = path.substr(0, end);
        const auto info = files.info(step);
        if (!info && info.error().code == Code::FileNotFound) return {};
        if (!info) return base::Failure(info.error());
        if (info->kind != base::FileKind::Symlink) continue;
        return base::fail(
            Code::DeployUnsafePath,
            step + " is a symbolic link that leads out of " + listed + ", the directory that is listed",
            "list the directory that it leads to, and name that in the configuration");
    }
    return {};
}

/// Where the program is that `name` stands for. One that somebody else can write, or put another one in the
/// place of, is as good as a line `run ANYTHING`; so is one that is not there (or cannot be executed) now and
/// will be as soon as nobody looks.
base::Result<std::string> find_program(base::Files& files, const std::string& name) {
    const bool is_path = name.find('/') != std::string::npos;
    std::string path = is_path ? name : base::find_program(name, base::kSystemPath);
    const base::Failure missing = base::fail(
        Code::DeployNotAllowed,
        is_path ? name + " is no program that could be executed"
                : "there is no program " + name + " in " + std::string(base::kSystemPath),
        "install it, or make it executable (chmod +x); what is listed and not there is not waited for");
    if (path.empty()) return missing;
    const auto end = follow_path(files, path, kRoot);
    if (!end && end.error().code == Code::FileNotFound) return missing;
    if (!end) return base::Failure(end.error());
    TRY(check_hands(end->path, end->info));
    if (base::find_program(path).empty()) return missing;
    return path;
}

base::Result<void> check_place(base::Files& files, const AllowList& list, const std::string& path) {
    TRY(check_directory(files, base::directory_of(path), kRoot));
    return check_no_links(files, listed_directory(list, path), path);
}

}  // namespace

base::Result<AllowList> read_allow_list(base::Files& files, const std::string& path) {
    const std::string directory = base::directory_of(path);
    const auto about_directory = files.info(directory);
    if (about_directory) TRY(check_hands(directory, *about_directory));
    const auto about = files.info(path);
    if (!about && about.error().code == Code::FileNotFound) {
        return base::fail(
            Code::DeployNotAllowed, "there is no " + path + ", so nothing is allowed",
            "write one, as root: lines  write DIR OWNER:GROUP MODE  and  run PROGRAM ARGUMENT…");
    }
    if (!about) return base::Failure(about.error());
    if (about->kind != base::FileKind::Regular)
        return base::fail(Code::FileUnsafe, path + " is no regular file", "name the file itself");
    TRY(check_hands(path, *about));
    TRY(check_directory(files, directory, kRoot));
    return parse_allow_list(TRY(base::read_file(files, path, kListSizeMax)), path);
}

Gate make_gate(base::Files& files, const std::string& list_path) {
    const auto permit = [&files, list_path](const Installation& installation) -> base::Result<std::size_t> {
        const AllowList list = TRY(read_allow_list(files, list_path));
        TRY(judge(list, installation, list_path));
        TRY(check_contents(installation));
        for (const auto* plans : {&installation.staged, &installation.published}) {
            for (const FilePlan& file : *plans) TRY(check_place(files, list, file.path));
        }
        for (const auto* argv : {&installation.test, &installation.reload, &installation.restart})
            if (!argv->empty()) (void)TRY(find_program(files, argv->front()));
        if (!installation.versions.empty()) TRY(check_place(files, list, installation.versions + "/any"));
        return list.size();
    };
    const auto permit_look = [&files, list_path](const std::string& path) -> base::Result<void> {
        const AllowList list = TRY(read_allow_list(files, list_path));
        TRY(judge_look(list, path, list_path));
        return check_place(files, list, path);
    };
    const auto find = [&files](const std::string& name) { return find_program(files, name); };
    return {.permit = permit, .permit_look = permit_look, .find_program = find};
}

}  // namespace deployers
