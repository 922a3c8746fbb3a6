// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <system_error>
#include <utility>

namespace base {

Error Error::within(std::string_view where) && {
    message = std::string(where) + ": " + message;
    return std::move(*this);
}

Error Error::during(std::string_view step_name) && {
    if (step.empty()) step = step_name;
    return std::move(*this);
}

Failure fail(Code code, std::string message, std::string hint) {
    return Failure(Error{.code = code, .message = std::move(message), .hint = std::move(hint)});
}

std::string_view to_string(Code code) {
    switch (code) {
#define RENEWD_TEXT(name, text, error_class) \
    case Code::name:                         \
        return text;
        RENEWD_ERROR_CODES(RENEWD_TEXT)
#undef RENEWD_TEXT
    }
    return "internal/unexpected";
}

// NOLINTBEGIN(bugprone-branch-clone): a table; many codes share a class
ErrorClass class_of(Code code) {
    switch (code) {
#define RENEWD_CLASS(name, text, error_class) \
    case Code::name:                          \
        return ErrorClass::error_class;
        RENEWD_ERROR_CODES(RENEWD_CLASS)
#undef RENEWD_CLASS
    }
    return ErrorClass::Transient;
}

// NOLINTEND(bugprone-branch-clone)

std::optional<Code> parse_code(std::string_view text) {
#define RENEWD_PARSE(name, code_text, error_class) \
    if (text == (code_text)) return Code::name;
    RENEWD_ERROR_CODES(RENEWD_PARSE)
#undef RENEWD_PARSE
    return std::nullopt;
}

std::string errno_text(int number) {
    return std::generic_category().message(number);
}

}  // namespace base
