// SPDX-License-Identifier: Apache-2.0
// The digest of what comes in pieces, or is too large to be put together.
#pragma once

#include <string>
#include <string_view>

#include "base/openssl.hpp"

namespace base {

class Sha256 {
  public:
    Sha256();

    void add(std::string_view bytes);
    /// Of all that was added, as 64 lower-case hex digits. Ends it.
    [[nodiscard]] std::string hex() &&;

  private:
    MdContextPtr context_;
};

}  // namespace base
