// SPDX-License-Identifier: Apache-2.0
// The secret family of a table: KEY_file, KEY_credential, KEY_env, KEY_command, and never KEY itself.
#include <algorithm>
#include <array>
#include <utility>

#include "agent/config/section.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"

namespace agent {

using base::Code;
using base::SecretSource;

namespace {

constexpr std::array<std::pair<std::string_view, SecretSource::Kind>, 4> kFamily{{
    {"_file", SecretSource::Kind::File},
    {"_credential", SecretSource::Kind::Credential},
    {"_env", SecretSource::Kind::Environment},
    {"_command", SecretSource::Kind::Command},
}};

std::string family_of(std::string_view key) {
    std::string out;
    for (const auto& [suffix, kind] : kFamily) {
        out += (out.empty() ? "" : ", ") + std::string(key) + std::string(suffix);
    }
    return out;
}

bool is_variable_name(std::string_view name) {
    const bool has_wrong_character = std::ranges::any_of(
        name, [](char c) { return c == '=' || c <= ' ' || static_cast<unsigned char>(c) >= 0x7f; });
    return !name.empty() && !has_wrong_character;
}

/// systemd.exec(5): a credential's name is a file name.
bool is_credential_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

}  // namespace

std::optional<SecretSource> Section::secret(std::string_view key) {
    const std::string name(key);
    if (table_.contains(key) || (fallback_ != nullptr && fallback_->contains(key))) {
        wrong(key, "is a secret, which does not stand in the configuration; accepted: " + family_of(key));
        return std::nullopt;
    }
    std::optional<SecretSource> source;
    std::string first;
    for (const auto& [suffix, kind] : kFamily) {
        const std::string member = name + std::string(suffix);
        if (!has(member)) continue;
        if (!first.empty()) {
            wrong(member, "stands beside \"" + first + "\"; one of them is enough", Code::ConfigConflict);
            return std::nullopt;
        }
        first = member;
        source = read_source(member, kind);
    }
    return source;
}

std::optional<SecretSource> Section::read_source(const std::string& key, SecretSource::Kind kind) {
    SecretSource source{.kind = kind, .key = "\"" + key + "\" in " + what_};
    if (kind == SecretSource::Kind::Command) {
        auto words = argv(key);
        if (words && words->empty()) wrong(key, "is empty; name a program");
        if (!words || words->empty()) return std::nullopt;
        source.argv = std::move(*words);
        return source;
    }
    auto value = kind == SecretSource::Kind::File ? path(key) : text(key);
    if (!value) return std::nullopt;
    const std::string quoted = "\"" + base::printable(*value, 80) + "\"";
    source.name = std::move(*value);
    if (kind == SecretSource::Kind::Environment && !is_variable_name(source.name)) {
        wrong(key, quoted + " is no name of an environment variable");
        return std::nullopt;
    }
    if (kind == SecretSource::Kind::Credential && !is_credential_name(source.name)) {
        wrong(key, quoted + " is no name of a credential (systemd.exec(5), LoadCredential=)");
        return std::nullopt;
    }
    if (kind != SecretSource::Kind::File) return source;
    if (source.name.empty()) {
        wrong(key, "is empty; name a file");
        return std::nullopt;
    }
    // Whoever reads the configuration to look at it may not be allowed to look at the secret: not seeing it
    // is no problem yet.
    base::SystemFiles files;
    const auto info = files.info(source.name);
    if (!info && info.error().code == Code::FileNotFound) {
        wrong(key, info.error().message, Code::ConfigSecretUnavailable);
        return std::nullopt;
    }
    if (info && info->kind == base::FileKind::Regular && (info->mode & 0077) != 0) {
        wrong(key, source.name + " can be read by others;  chmod 600 " + source.name,
              Code::ConfigSecretExposed);
        return std::nullopt;
    }
    return source;
}

}  // namespace agent
