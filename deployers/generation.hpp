// SPDX-License-Identifier: Apache-2.0
// One issued key and chain, as deployers see it: immutable, complete, proven.
#pragma once

#include <string>
#include <vector>

#include "base/certificate.hpp"
#include "base/identifier.hpp"
#include "base/secret.hpp"

namespace deployers {

struct Generation {
    std::string certificate{};  // its name in the configuration
    int number = 0;             // 1, 2, 3…
    std::vector<base::Identifier> names{};
    base::Chain chain{};  // leaf first
    base::Secret key_pem{};
};

}  // namespace deployers
