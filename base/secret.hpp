// SPDX-License-Identifier: Apache-2.0
// A string that must not be seen: it has no operator<<, no comparison, and is wiped when it goes.
#pragma once

#include <string>
#include <string_view>

namespace base {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string text);
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept;
    Secret& operator=(const Secret& other);
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    /// The text itself. Say it only where it is used: a file being written, a child's stdin, a signature.
    [[nodiscard]] const std::string& reveal() const { return text_; }

    [[nodiscard]] bool empty() const { return text_.empty(); }

  private:
    void wipe() noexcept;
    std::string text_;
};

}  // namespace base
