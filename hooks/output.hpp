// SPDX-License-Identifier: Apache-2.0
// What other people's programs print, made fit for messages and logs. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hooks {

/// The last lines that are not blank, where programs say what went wrong, joined with "; " and printable.
[[nodiscard]] std::string last_lines(std::string_view text, std::size_t count = 3);

/// All of it, line by line, without what a terminal would act on.
[[nodiscard]] std::string printable_lines(std::string_view text);

}  // namespace hooks
