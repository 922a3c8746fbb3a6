// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/machine.hpp"

#include "agent/memory/state_files.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Result;

namespace {

constexpr std::size_t kIdMax = 4096;
constexpr const char* kName = "/machine";  // a digest, and since when, where it was another one's before

std::string first_word(const std::string& text) {
    return text.substr(0, text.find_first_of(" \t\r\n"));
}

}  // namespace

Result<std::optional<base::Error>> note_machine(base::Files& files, const std::string& state_directory,
                                                base::Instant now, const std::string& machine_id_file) {
    const auto id = base::read_file(files, machine_id_file, kIdMax);
    const std::string word = id ? first_word(*id) : "";
    if (word.empty() || word == "uninitialized") return std::optional<base::Error>{};
    // machine-id(5) asks that it be kept to the machine: what is derived from it will do.
    const std::string derived = base::sha256_hex("renewd:" + word);
    const std::string path = state_directory + kName;
    const auto known = TRY(as_state(read_if_there(files, path, kIdMax)));
    if (known && first_word(*known) == derived) return std::optional<base::Error>{};
    const std::string since = known ? base::format_instant(now) + "\n" : "";
    TRY(as_state(base::write_durably(files, path, derived + "\n" + since, kPrivate)));
    if (!known) return std::optional<base::Error>{};
    return std::optional(moved_error(state_directory));
}

std::optional<base::Instant> moved_at(base::Files& files, const std::string& state_directory) {
    const auto text = base::read_file(files, state_directory + kName, kIdMax);
    if (!text) return std::nullopt;
    const std::size_t second = text->find('\n') + 1;  // 0: there is none, and the first is no instant
    return base::parse_instant(first_word(text->substr(second)));
}

base::Error moved_error(const std::string& state_directory) {
    return {.code = base::Code::ConfigConflict,
            .message = state_directory +
                       " was last written on another machine. It goes on here: "
                       "open orders and accounts are good on any machine",
            .hint = "see that renewd does not run there any more, or both renew the same certificates"};
}

}  // namespace agent
