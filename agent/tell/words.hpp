// SPDX-License-Identifier: Apache-2.0
// Numbers and times as a person says them. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"

namespace agent {

/// "90 s", "4 min", "5 h", "21 days": the largest unit that says enough.
[[nodiscard]] std::string duration_words(base::Seconds duration);
/// "in 21 days", "4 min ago", "now".
[[nodiscard]] std::string relative(base::Instant instant, base::Instant now);
/// "3 Feb" in UTC.
[[nodiscard]] std::string day_words(base::Instant instant);
/// "02:14" of the last and the next day, "3 Feb" beyond; both in UTC.
[[nodiscard]] std::string brief_time(base::Instant instant, base::Instant now);
/// "3 Feb 2027 12:05 UTC".
[[nodiscard]] std::string instant_words(base::Instant instant);
/// "in 21 days, on 3 Feb 2027 12:05 UTC"; "now" for what is not to come.
[[nodiscard]] std::string when_words(base::Instant instant, base::Instant now);
/// "1 certificate", "40 certificates".
[[nodiscard]] std::string counted(std::size_t count, const std::string& noun);
/// "1,276": a number on its own.
[[nodiscard]] std::string number(std::size_t count);
/// "web, mail, edge".
[[nodiscard]] std::string listed(const std::vector<std::string>& texts);
/// How many columns a UTF-8 text takes (one a code point).
[[nodiscard]] std::size_t columns(const std::string& text);
/// Cut in the middle to `width` columns: "very-long…example.com".
[[nodiscard]] std::string cut_middle(const std::string& text, std::size_t width);
/// Filled with spaces to `width` columns.
[[nodiscard]] std::string padded(const std::string& text, std::size_t width);
/// Broken into lines of at most `width` bytes, at spaces; a word that is longer stays whole.
[[nodiscard]] std::vector<std::string> wrapped(const std::string& text, std::size_t width);

}  // namespace agent
