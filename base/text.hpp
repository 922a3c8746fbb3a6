// SPDX-License-Identifier: Apache-2.0
// Text taken apart. Pure, and ASCII throughout: nothing depends on a locale.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace base {

/// A to Z become small.
[[nodiscard]] std::string lower(std::string_view text);
/// Without any of `blanks` at either end.
[[nodiscard]] std::string_view trimmed(std::string_view text, std::string_view blanks = " \t");
/// Up to the separator, which goes from `rest`, too; all of it where there is none.
[[nodiscard]] std::string_view take_until(std::string_view& rest, char separator);

/// The whole number that all of the text is. No blank, no plus, a minus where the type has one.
template <class Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text, int radix = 10) {
    Number number{};
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number, radix);
    if (problem != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
    return number;
}

/// The text, which ends with a newline, and a line more that has its digest.
[[nodiscard]] std::string sealed(std::string text);
/// What was sealed; nothing where a byte of it is another one.
[[nodiscard]] std::optional<std::string_view> unsealed(std::string_view text);

}  // namespace base
