// SPDX-License-Identifier: Apache-2.0
// The rules an installation keeps, whoever made it. A bundle may come from another machine and is executed as
// root, so nothing is taken on trust: what check() lets through cannot become another line of a bundle,
// another path or an option.
#include "deployers/installation.hpp"

#include <algorithm>
#include <set>

#include "base/encoding.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

using base::Code;

bool has_control(std::string_view text) {
    return std::ranges::any_of(text,
                               [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// Absolute, no empty, "." or ".." component, no control character, nothing a reader of lines would trim.
base::Result<void> check_path(const std::string& path) {
    const auto refuse = [&](const std::string& why) {
        return base::fail(Code::DeployUnsafePath, "the path \"" + base::printable(path) + "\" " + why);
    };
    if (!path.starts_with('/')) return refuse("is not absolute");
    if (path.size() > kPathMax) return refuse("is longer than " + std::to_string(kPathMax) + " bytes");
    if (has_control(path)) return refuse("holds a control character");
    if (path.ends_with(' ')) return refuse("ends with a space");
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at + 1), path.size());
        const std::string_view part = std::string_view(path).substr(at + 1, end - at - 1);
        if (part.empty() || part == "." || part == "..") return refuse("is not in its normal form");
        at = end;
    }
    return {};
}

/// A user's or group's name, or its number.
base::Result<void> check_owner(const std::string& name) {
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@$+-";
    if (!name.empty() && name.size() <= kOwnerMax && !name.starts_with('-') &&
        name.find_first_not_of(kAllowed) == std::string::npos) {
        return {};
    }
    return base::fail(Code::ConfigWrongValue,
                      "\"" + base::printable(name) + "\" cannot be the name of a user or a group");
}

base::Result<void> check_file(const FilePlan& file) {
    TRY(check_path(file.path));
    TRY(check_owner(file.owner));
    TRY(check_owner(file.group));
    if (file.mode < 0 || file.mode > 0777) {
        return base::fail(Code::ConfigWrongValue, file.path + ": a mode is at most 0777");
    }
    if (file.content.reveal().size() > kFileMax) {
        return base::fail(Code::ConfigWrongValue,
                          file.path + " would be larger than " + std::to_string(kFileMax) + " bytes");
    }
    return {};
}

base::Result<void> check_command(std::string_view what, const std::vector<std::string>& argv) {
    const auto refuse = [&](const std::string& why) {
        return base::fail(Code::ConfigWrongValue, "the " + std::string(what) + " command " + why);
    };
    if (argv.size() > kArgumentsMax)
        return refuse("has more than " + std::to_string(kArgumentsMax) + " words");
    if (!argv.empty() && argv.front().empty()) return refuse("names no program");
    // A word such as "A=b" or "-k" would be read as their own by env(1) and timeout(1), which stand before
    // it.
    if (!argv.empty() && (argv.front().starts_with('-') || argv.front().find('=') != std::string::npos)) {
        return refuse("begins with \"" + base::printable(argv.front()) + "\", which is no program");
    }
    for (const std::string& word : argv) {
        if (has_control(word)) return refuse("holds a control character");
        if (word.size() > kPathMax)
            return refuse("has a word of more than " + std::to_string(kPathMax) + " bytes");
    }
    return {};
}

/// A file whose content may be asked about: one that is published, or one of a version. Whoever may write
/// those need not be told of any other.
bool is_of_target(const Installation& installation, const std::string& path) {
    if (!installation.versions.empty() && path.starts_with(installation.versions + "/")) return true;
    return std::ranges::any_of(installation.published,
                               [&](const FilePlan& file) { return file.path == path; });
}

base::Result<void> check_digests(const Installation& installation) {
    if (installation.known.size() > kListMax)
        return base::fail(Code::ConfigWrongValue, "too many known sets");
    for (const auto& set : installation.known) {
        if (set.size() > kListMax) return base::fail(Code::ConfigWrongValue, "too many files in a known set");
        for (const FileDigest& digest : set) {
            TRY(check_path(digest.path));
            if (!is_of_target(installation, digest.path)) {
                return base::fail(Code::ConfigWrongValue,
                                  digest.path + " is in a known set, and no file of this target");
            }
            if (digest.sha256.size() != 64 ||
                digest.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
                return base::fail(Code::ConfigWrongValue, digest.path + ": not a SHA-256 in lower-case hex");
            }
        }
    }
    return {};
}

base::Result<void> check_versions(const Installation& installation) {
    if (!installation.versions.empty()) TRY(check_path(installation.versions));
    if (installation.versions_kept.size() > kListMax) {
        return base::fail(Code::ConfigWrongValue, "too many versions to keep");
    }
    for (const std::string& name : installation.versions_kept) {
        if (!is_version_name(name)) {
            return base::fail(Code::ConfigWrongValue,
                              "\"" + base::printable(name) + "\" is not the name of a version");
        }
    }
    return {};
}

}  // namespace

bool is_version_name(std::string_view name) {
    const std::size_t dash = name.find('-');
    if (dash == std::string_view::npos || dash == 0 || dash > 9) return false;
    const std::string_view number = name.substr(0, dash);
    const std::string_view digest = name.substr(dash + 1);
    return number.find_first_not_of("0123456789") == std::string_view::npos && digest.size() == 8 &&
           digest.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

base::Result<void> check(const Installation& installation) {
    const std::string& id = installation.id;
    if (id.empty() || id.size() > kPathMax || has_control(id)) {
        return base::fail(Code::ConfigWrongValue,
                          "\"" + base::printable(id) + "\" cannot name an installation");
    }
    if (installation.published.empty()) {
        return base::fail(Code::ConfigWrongValue, id + ": no file is to be published");
    }
    if (installation.published.size() > kListMax || installation.staged.size() > kListMax) {
        return base::fail(Code::ConfigWrongValue, id + ": more than " + std::to_string(kListMax) + " files");
    }
    std::set<std::string_view> paths;
    std::size_t bytes = 0;
    for (const auto* files : {&installation.staged, &installation.published}) {
        for (const FilePlan& file : *files) {
            TRY(check_file(file));
            bytes += file.content.reveal().size();
            if (!paths.insert(file.path).second) {
                return base::fail(Code::ConfigWrongValue, file.path + " is written twice by one target");
            }
        }
    }
    if (bytes > kContentMax) {
        return base::fail(Code::ConfigWrongValue,
                          id + ": more than " + std::to_string(kContentMax) + " bytes");
    }
    TRY(check_digests(installation));
    TRY(check_versions(installation));
    TRY(check_command("test", installation.test));
    TRY(check_command("reload", installation.reload));
    TRY(check_command("restart", installation.restart));
    const auto is_sensible = [](base::Seconds time) {
        return time >= base::Seconds{1} && time <= kDeadlineMax;
    };
    if (!is_sensible(installation.command_deadline) || !is_sensible(installation.deadline)) {
        return base::fail(Code::ConfigWrongValue, id + ": a deadline is between a second and an hour");
    }
    return {};
}

std::vector<FileDigest> digests_of(const Installation& installation) {
    std::vector<FileDigest> digests;
    digests.reserve(installation.published.size());
    for (const FilePlan& file : installation.published) {
        digests.push_back({.path = file.path, .sha256 = base::sha256_hex(file.content.reveal())});
    }
    return digests;
}

}  // namespace deployers
