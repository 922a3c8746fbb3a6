// SPDX-License-Identifier: Apache-2.0
// Where one owner's names begin, by the Public Suffix List (publicsuffix.org) that libpsl was built with.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace base {

/// "example.co.uk" of "www.example.co.uk" and "*.example.co.uk" (A-labels); a public suffix itself as it is.
/// Nothing where libpsl has no list. Thread safe.
[[nodiscard]] std::optional<std::string> registered_domain(std::string_view name);

}  // namespace base
