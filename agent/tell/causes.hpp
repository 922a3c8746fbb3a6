// SPDX-License-Identifier: Apache-2.0
// One cause, one entry, however many certificates it holds up. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/tell/overview.hpp"

namespace agent {

struct Cause {
    char mark = '!';         // '!' needs a person, '=' is held, '~' is being worked on
    std::string id{};        // "host/key-changed/web112"
    std::string code{};      // "host/key-changed"; empty where nothing is wrong
    std::string subject{};   // what has the trouble: a host, a CA; may be empty
    std::string headline{};  // of several certificates: "ssh host key has changed"
    std::string message{};   // of a single one, all that is known; of several, subject and headline
    std::string hint{};
    std::vector<std::string> names{};  // of the certificates, most urgent first
    base::Instant since{};
    std::optional<base::Instant> first_expiry{};
    std::optional<base::Instant> next{};  // attempt, of any of them
    bool is_critical = false;
};

/// What needs a person first, then what is worked on, then what is held; in each, what holds up most first.
[[nodiscard]] std::vector<Cause> causes_of(const Overview& overview);

/// Does it need a person, is it worked on, held, or nothing of these (' ')?
[[nodiscard]] char mark_of(const CertificateStatus& status);

/// When what is served of it runs out; of what is not served, the newest generation; absent before the first.
[[nodiscard]] std::optional<base::Instant> expiry_of(const CertificateStatus& status);

/// When one of its targets was last looked at.
[[nodiscard]] std::optional<base::Instant> looked_at(const CertificateStatus& status);

/// "looked 4 min ago", of all of them together; empty where nobody ever has.
[[nodiscard]] std::string looked_words(const Overview& overview);

/// The command in a hint, or else `renewd why` for the first of its certificates.
[[nodiscard]] std::string command_of(const Cause& cause);

/// The parts of a status by cause and of its summaries, each of whole lines.
[[nodiscard]] std::string totals_text(const Overview& overview, std::size_t width);
[[nodiscard]] std::string causes_text(const Overview& overview, const TableLook& look);
[[nodiscard]] std::string next_text(const Overview& overview, std::size_t width);
[[nodiscard]] std::string outlook_text(const Overview& overview);

}  // namespace agent
