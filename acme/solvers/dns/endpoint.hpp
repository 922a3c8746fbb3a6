// SPDX-License-Identifier: Apache-2.0
// Where an API is, as the configuration says it. Pure.
#pragma once

#include <string_view>

#include "base/error.hpp"

namespace acme {

struct Endpoint {
    bool is_plain = false;  // http, on a loopback address
};

/// https://HOST[:PORT][/PATH]; http only for "localhost", 127.0.0.0/8 and [::1], because a token travels
/// there. Nobody's name, no query, no fragment. config/wrong-value.
[[nodiscard]] base::Result<Endpoint> judge_endpoint(std::string_view url);

}  // namespace acme
