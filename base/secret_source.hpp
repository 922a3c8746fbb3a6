// SPDX-License-Identifier: Apache-2.0
// Where a secret comes from. The configuration holds this and never the secret; it is read when it is used,
// so that a rotated one counts at once.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace base {

struct SecretSource {
    enum class Kind { None, File, Credential, Environment, Command };
    Kind kind = Kind::None;
    std::string name{};               // the file's path, the credential's or the variable's name
    std::vector<std::string> argv{};  // of a command
    std::string key{};  // the key it stands under in the configuration ("tsig.secret_file"), for messages

    [[nodiscard]] bool is_set() const { return kind != Kind::None; }

    friend bool operator==(const SecretSource&, const SecretSource&) = default;
};

/// The secret, without one final newline, at most 64 KiB and not empty. A file that group or others can read
/// is config/secret-exposed; whatever else stands in the way is config/secret-unavailable. A credential is a
/// file below $CREDENTIALS_DIRECTORY (systemd.exec(5)); a command gets 10 s and no shell.
[[nodiscard]] Result<Secret> read_secret(const SecretSource& source);

/// "file /etc/renewd/secret/eab", "credential eab", "variable CF_TOKEN", "command pass show cf": never the
/// secret.
[[nodiscard]] std::string describe(const SecretSource& source);

}  // namespace base
