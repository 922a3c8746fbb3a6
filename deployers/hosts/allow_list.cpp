// SPDX-License-Identifier: Apache-2.0
// One line a permission, compared word for word.
#include "deployers/hosts/allow_list.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr unsigned kModeMax = 0777;

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    while (!line.empty()) {
        const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
        if (end > 0) words.emplace_back(line.substr(0, end));
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return words;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

/// Absolute, without empty, "." or ".." steps; one slash at its end is none.
std::optional<std::string> normal_directory(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (path.size() < 2 || path.size() > kPathMax || !path.starts_with('/')) return std::nullopt;
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at + 1), path.size());
        const std::string_view step = std::string_view(path).substr(at + 1, end - at - 1);
        if (step.empty() || step == "." || step == "..") return std::nullopt;
        at = end;
    }
    return path;
}

/// Three or four octal digits; what is beyond the permission bits (set-user-ID and the like) is none.
std::optional<int> octal_mode(std::string_view text) {
    const auto mode = base::parse_number<unsigned>(text, 8);
    const bool is_mode = mode && *mode <= kModeMax && text.size() >= 3 && text.size() <= 4;
    return is_mode ? std::optional(static_cast<int>(*mode)) : std::nullopt;
}

/// The reason why it is none, or nothing.
std::string read_write_rule(const std::vector<std::string>& words, WriteRule& rule) {
    constexpr std::string_view kForm = "a permission to write is  write DIR OWNER:GROUP MODE";
    constexpr std::size_t kWords = 4;
    if (words.size() < kWords) return std::string(kForm);
    const std::string& owners = words[words.size() - 2];
    const std::size_t colon = owners.find(':');
    const bool has_owners = colon != std::string::npos && colon > 0 && colon + 1 < owners.size() &&
                            owners.find(':', colon + 1) == std::string::npos;
    if (!has_owners) return "\"" + base::printable(owners) + "\" is no OWNER:GROUP; " + std::string(kForm);
    const auto mode = octal_mode(words.back());
    if (!mode) return "\"" + base::printable(words.back()) + "\" is no mode from 000 to 0777, in octal";
    const std::string path = joined({words.begin() + 1, words.end() - 2});
    auto directory = normal_directory(path);
    if (!directory)
        return "\"" + base::printable(path) +
               R"(" is no directory that can be listed: it begins with /, is not / itself, and has no ".." or "." in it)";
    rule = {.directory = std::move(*directory),
            .owner = owners.substr(0, colon),
            .group = owners.substr(colon + 1),
            .mode = *mode};
    return {};
}

std::string check_run_rule(const std::vector<std::string>& argv) {
    if (argv.empty()) return "a permission to run is  run PROGRAM ARGUMENT…";
    const std::string& program = argv.front();
    if (program.find('/') != std::string::npos && !program.starts_with('/'))
        return "\"" + base::printable(program) + "\" is neither a program's name nor an absolute path";
    return {};
}

bool is_below(std::string_view path, std::string_view directory) {
    return path.size() > directory.size() + 1 && path.starts_with(directory) && path[directory.size()] == '/';
}

/// What a line would have to say for this file.
WriteRule rule_for(const Installation& installation, const FilePlan& file) {
    // The directory of one version is another one at each renewal.
    const std::string& versions = installation.versions;
    const bool is_version = !versions.empty() && is_below(file.path, versions);
    return {.directory = is_version ? versions : base::directory_of(file.path),
            .owner = file.owner,
            .group = file.group,
            .mode = file.mode};
}

bool covers(const WriteRule& rule, const WriteRule& wanted) {
    const bool is_inside = wanted.directory == rule.directory || is_below(wanted.directory, rule.directory);
    return is_inside && rule.owner == wanted.owner && rule.group == wanted.group &&
           (wanted.mode & ~rule.mode) == 0;
}

bool allows_directory(const AllowList& list, const std::string& directory) {
    return std::ranges::any_of(list.writes, [&](const WriteRule& rule) {
        return directory == rule.directory || is_below(directory, rule.directory);
    });
}

/// Makes one line of those for the same owner where one directory lies in the other.
void add_rule(std::vector<WriteRule>& rules, WriteRule rule) {
    for (WriteRule& other : rules) {
        if (other.owner != rule.owner || other.group != rule.group) continue;
        const bool is_same = other.directory == rule.directory;
        if (!is_same && !is_below(rule.directory, other.directory) &&
            !is_below(other.directory, rule.directory))
            continue;
        other.mode |= rule.mode;
        if (is_below(other.directory, rule.directory)) other.directory = rule.directory;
        return;
    }
    rules.push_back(std::move(rule));
}

/// What no line can permit.
base::Result<void> check_expressible(const std::vector<std::string>& argv) {
    for (const std::string& word : argv) {
        if (!word.empty() && word.find_first_of(" \t") == std::string::npos) continue;
        return base::fail(Code::DeployNotAllowed,
                          "the command  " + base::printable(joined(argv)) +
                              "  has a word that is empty or holds a space, and no list can name such",
                          "put the command into a script of root's, and name that");
    }
    return {};
}

/// Every line that is missing.
std::vector<std::string> missing_lines(const AllowList& list, const Installation& installation) {
    std::vector<WriteRule> rules;
    for (const auto* files : {&installation.staged, &installation.published}) {
        for (const FilePlan& file : *files) {
            const WriteRule wanted = rule_for(installation, file);
            const auto is_listed = [&](const WriteRule& rule) { return covers(rule, wanted); };
            if (std::ranges::none_of(list.writes, is_listed)) add_rule(rules, wanted);
        }
    }
    if (!installation.versions.empty() && !allows_directory(list, installation.versions)) {
        const FilePlan& first =
            installation.staged.empty() ? installation.published.front() : installation.staged.front();
        add_rule(rules, {.directory = installation.versions,
                         .owner = first.owner,
                         .group = first.group,
                         .mode = first.mode});
    }
    std::vector<std::string> lines;
    lines.reserve(rules.size() + 3);
    for (const WriteRule& rule : rules) lines.push_back(to_line(rule));
    for (const auto* argv : {&installation.test, &installation.reload, &installation.restart}) {
        if (argv->empty() || std::ranges::find(list.runs, *argv) != list.runs.end()) continue;
        std::string line = "run " + joined(*argv);
        if (std::ranges::find(lines, line) == lines.end()) lines.push_back(std::move(line));
    }
    return lines;
}

base::Failure not_listed(const std::vector<std::string>& lines, const std::string& file) {
    std::string list;
    for (const std::string& line : lines) list += (list.empty() ? "" : "  and  ") + line;
    return base::fail(Code::DeployNotAllowed, "nothing was touched: " + file + " has no line  " + list,
                      "if that is to be allowed, add to " + file + "  " + list);
}

}  // namespace

base::Result<AllowList> parse_allow_list(std::string_view text, const std::string& file) {
    AllowList list;
    for (int number = 1; !text.empty(); ++number) {
        const std::vector<std::string> words = words_of(base::take_until(text, '\n'));
        if (words.empty() || words.front().starts_with('#')) continue;
        std::string wrong;
        if (words.front() == "write") {
            WriteRule rule;
            wrong = read_write_rule(words, rule);
            list.writes.push_back(std::move(rule));
        } else if (words.front() == "run") {
            std::vector<std::string> argv(words.begin() + 1, words.end());
            wrong = check_run_rule(argv);
            list.runs.push_back(std::move(argv));
        } else {
            wrong = "\"" + base::printable(words.front(), 80) + "\" permits nothing; a line is" +
                    "  write DIR OWNER:GROUP MODE  or  run PROGRAM ARGUMENT…";
        }
        if (!wrong.empty()) {
            return base::fail(Code::ConfigSyntax, file + ":" + std::to_string(number) + ": " + wrong,
                              "nothing at all is done while a line of it cannot be understood");
        }
    }
    return list;
}

std::string to_line(const WriteRule& rule) {
    std::array<char, 8> mode{};
    (void)std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(rule.mode));
    return "write " + rule.directory + " " + rule.owner + ":" + rule.group + " " + mode.data();
}

base::Result<void> judge(const AllowList& list, const Installation& installation, const std::string& file) {
    for (const auto* argv : {&installation.test, &installation.reload, &installation.restart})
        TRY(check_expressible(*argv));
    const std::vector<std::string> lines = missing_lines(list, installation);
    if (!lines.empty()) return not_listed(lines, file);
    return {};
}

base::Result<void> judge_look(const AllowList& list, const std::string& path, const std::string& file) {
    const bool is_normal = normal_directory(path) == path;
    if (is_normal && allows_directory(list, base::directory_of(path))) return {};
    return base::fail(Code::DeployNotAllowed,
                      file + " permits to write nothing below " + base::printable(base::directory_of(path)) +
                          ", and what is there is not told either",
                      "if that is to be allowed, add a line  write DIR OWNER:GROUP MODE  to " + file);
}

std::string listed_directory(const AllowList& list, const std::string& path) {
    std::string found;
    for (const WriteRule& rule : list.writes) {
        const bool is_inside = path == rule.directory || is_below(path, rule.directory);
        if (is_inside && rule.directory.size() > found.size()) found = rule.directory;
    }
    return found;
}

}  // namespace deployers
