// SPDX-License-Identifier: Apache-2.0
#include "hooks/output.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace hooks {

std::string last_lines(std::string_view text, std::size_t count) {
    std::string lines;
    while (count > 0) {
        const auto end = text.find_last_not_of(" \t\r\n");
        if (end == std::string_view::npos) break;
        const auto newline = text.find_last_of('\n', end);
        const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
        const std::string line = base::printable(text.substr(begin, end - begin + 1));
        lines = lines.empty() ? line : line + "; " + lines;
        text = text.substr(0, begin);
        --count;
    }
    return lines;
}

std::string printable_lines(std::string_view text) {
    std::string lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines += base::printable(text.substr(begin, end - begin)) + "\n";
        begin = end + 1;
    }
    return lines;
}

}  // namespace hooks
