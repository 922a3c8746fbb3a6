// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/state_files.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <utility>
#include <vector>

namespace agent {

using base::Code;
using base::Result;

namespace {

class FileLease final : public Lease {
  public:
    explicit FileLease(base::Lock lock) : lock_(std::move(lock)) {}

  private:
    base::Lock lock_;
};

}  // namespace

Result<void> remove_leftovers(base::Files& files, const std::string& directory, std::string_view of) {
    const std::string begin = '.' + std::string(of);
    auto entries = files.list(directory);
    if (!entries && entries.error().code == Code::FileNotFound) return {};
    for (const std::string& entry : TRY(as_state(std::move(entries)))) {
        const bool is_leftover = entry.starts_with(begin) && entry.find(".renewd-") != std::string::npos;
        if (is_leftover) TRY(as_state(base::remove_tree(files, (directory + "/").append(entry))));
    }
    return {};
}

void remove_leftovers_of_the_dead(base::Files& files, const std::string& directory) {
    constexpr std::string_view kMark = ".renewd-";
    for (const std::string& entry : files.list(directory).value_or(std::vector<std::string>{})) {
        const std::size_t mark = entry.rfind(kMark);
        if (!entry.starts_with('.') || mark == std::string::npos) continue;
        pid_t writer = 0;
        const char* const number = entry.data() + mark + kMark.size();
        const auto [end, status] = std::from_chars(number, entry.data() + entry.size(), writer);
        const bool is_ours = status == std::errc{} && writer > 0 && *end == '-';
        if (is_ours && ::kill(writer, 0) != 0 && errno == ESRCH)
            static_cast<void>(files.unlink((directory + "/").append(entry)));
    }
}

Result<void> remove_at_once(base::Files& files, const std::string& path) {
    const std::string leftover =
        base::directory_of(path) + "/." + path.substr(path.rfind('/') + 1) + ".renewd-removed";
    TRY(as_state(base::remove_tree(files, leftover)));
    auto renamed = files.rename(path, leftover);
    if (!renamed && renamed.error().code == Code::FileNotFound) return {};
    TRY(as_state(std::move(renamed)));
    // Or a power cut could leave it under its old name, and without what was removed from it already.
    TRY(as_state(base::sync_directory(files, base::directory_of(path))));
    return as_state(base::remove_tree(files, leftover));
}

Result<std::unique_ptr<Lease>> take_lease(base::Files& files, const std::string& directory,
                                          std::string_view of) {
    TRY(as_state(base::make_directories(files, directory, kPrivateDirectory)));
    auto lock = TRY(as_state(base::Lock::take(files, directory + "/.lock")));
    TRY(remove_leftovers(files, directory, of));
    return std::make_unique<FileLease>(std::move(lock));
}

Result<std::optional<std::string>> read_if_there(base::Files& files, const std::string& path,
                                                 std::size_t size_max) {
    auto text = base::read_file(files, path, size_max);
    if (text) return std::optional(std::move(*text));
    if (text.error().code == Code::FileNotFound) return std::optional<std::string>{};
    return tl::make_unexpected(std::move(text).error());
}

}  // namespace agent
