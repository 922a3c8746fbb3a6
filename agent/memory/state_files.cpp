// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/state_files.hpp"

#include <utility>

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

Result<std::unique_ptr<Lease>> take_lease(base::Files& files, const std::string& directory) {
    TRY(as_state(base::make_directories(files, directory, kPrivateDirectory)));
    auto lock = TRY(as_state(base::Lock::take(files, directory + "/.lock")));
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
