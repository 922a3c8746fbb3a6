// SPDX-License-Identifier: Apache-2.0
// What a thing that can fail in normal life returns. An error answers the caller's question ("may I try
// again, and when?") by its code, and the reader's question ("what happened, what do I do?") by its words.
// The same words reach the log, `status`, hooks and notices, so they are written once, where the cause is
// known.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tl/expected.hpp>

#include "base/error_codes.hpp"

namespace base {

struct Error {
    Code code = Code::InternalUnexpected;
    /// For a person: certificate, target and cause, in plain words, no stack and no "failed to".
    std::string message{};
    /// What to do about it, where that is known; else empty.
    std::string hint{};
    /// The step that was being done: "order", "authorize", "finalize", "download", "deploy", "verify"…
    std::string step{};
    /// RFC 8555 §6.7 problem type URN, if a CA said so.
    std::string problem{};
    /// Not before this instant (Retry-After, a known limit).
    std::optional<std::chrono::sys_seconds> retry_at{};

    /// Puts "where: " before the message; for callers that know more than the place that failed.
    [[nodiscard]] Error within(std::string_view where) &&;
    /// Names the step, unless one is named already.
    [[nodiscard]] Error during(std::string_view step_name) &&;

    friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

[[nodiscard]] Failure fail(Code code, std::string message, std::string hint = {});

/// The kebab text of a code ("ca/rate-limited"), as users, scripts and monitoring see it.
[[nodiscard]] std::string_view to_string(Code code);
/// What the planner may do about a code.
[[nodiscard]] ErrorClass class_of(Code code);
/// The code for a kebab text; nothing if this version does not know it.
[[nodiscard]] std::optional<Code> parse_code(std::string_view text);

/// The text of an errno value ("No space left on device"), thread safe.
[[nodiscard]] std::string errno_text(int number);

/// For TRY: tl::expected<void> has no value().
template <class T>
T take_value(Result<T> result) {  // NOLINT(performance-unnecessary-value-param): void is not moved
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace base

// TRY(expression): the value of a Result, or return its error outward. RENEWD_CONCAT gives every use its own
// name: nested uses would shadow one another otherwise.
#define RENEWD_CONCAT_(a, b) a##b
#define RENEWD_CONCAT(a, b) RENEWD_CONCAT_(a, b)
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is declared here
#define RENEWD_TRY_(name, expression)                            \
    ({                                                           \
        auto&& name = (expression);                              \
        if (!name) [[unlikely]]                                  \
            return tl::make_unexpected(std::move(name).error()); \
        base::take_value(std::move(name));                       \
    })
// NOLINTEND(bugprone-macro-parentheses)
#define TRY(expression) __extension__ RENEWD_TRY_(RENEWD_CONCAT(try_result_, __COUNTER__), expression)
