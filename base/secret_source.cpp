// SPDX-License-Identifier: Apache-2.0
#include "base/secret_source.hpp"

#include <cstdlib>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

namespace base {

namespace {

constexpr std::size_t kSecretBytesMax = std::size_t{64} * 1024;
constexpr Milliseconds kCommandDeadline{10'000};

Failure unavailable(const SecretSource& source, const std::string& why) {
    return fail(Code::ConfigSecretUnavailable, source.key + " (" + describe(source) + "): " + why);
}

Result<std::string> read_private_file(const SecretSource& source, const std::string& path) {
    SystemFiles files;
    const auto info = files.info(path);
    if (!info) return unavailable(source, info.error().message);
    if (info->kind == FileKind::Regular && (info->mode & 0077) != 0) {
        return fail(Code::ConfigSecretExposed,
                    source.key + ": " + path + " can be read by others;  chmod 600 " + path);
    }
    auto text = read_file(files, path, kSecretBytesMax);
    if (!text) return unavailable(source, text.error().message);
    return text;
}

Result<std::string> read_credential(const SecretSource& source) {
    const char* directory =
        std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    if (directory == nullptr || *directory != '/') {
        return unavailable(source,
                           "systemd gave this process no credentials; LoadCredential= in its unit does");
    }
    SystemFiles files;
    auto text = read_file(files, std::string(directory) + "/" + source.name, kSecretBytesMax);
    if (!text) return unavailable(source, text.error().message);
    return text;
}

Result<std::string> read_variable(const SecretSource& source) {
    const char* value = std::getenv(source.name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody sets it
    if (value == nullptr) return unavailable(source, "this variable is not set");
    return std::string(value);
}

Result<std::string> ask_command(const SecretSource& source) {
    auto completed = run({.argv = source.argv, .deadline = kCommandDeadline, .output_max = kSecretBytesMax});
    if (!completed) return unavailable(source, completed.error().message);
    if (!completed->ok()) {
        const std::string said = printable(completed->err, 200);
        return unavailable(source, completed->describe() + (said.empty() ? "" : ": " + said));
    }
    if (completed->truncated) return unavailable(source, "it says more than 64 KiB");
    return std::move(completed->out);
}

Result<std::string> read_raw(const SecretSource& source) {
    switch (source.kind) {
        case SecretSource::Kind::None:
            break;
        case SecretSource::Kind::File:
            return read_private_file(source, source.name);
        case SecretSource::Kind::Credential:
            return read_credential(source);
        case SecretSource::Kind::Environment:
            return read_variable(source);
        case SecretSource::Kind::Command:
            return ask_command(source);
    }
    return fail(Code::ConfigSecretUnavailable, source.key + ": no secret is configured");
}

}  // namespace

Result<Secret> read_secret(const SecretSource& source) {
    std::string raw = TRY(read_raw(source));
    if (raw.ends_with('\n')) raw.pop_back();
    if (raw.ends_with('\r')) raw.pop_back();
    if (raw.empty()) return unavailable(source, "it is empty");
    return Secret(std::move(raw));
}

std::string describe(const SecretSource& source) {
    switch (source.kind) {
        case SecretSource::Kind::None:
            return "nothing";
        case SecretSource::Kind::File:
            return "file " + source.name;
        case SecretSource::Kind::Credential:
            return "credential " + source.name;
        case SecretSource::Kind::Environment:
            return "variable " + source.name;
        case SecretSource::Kind::Command:
            break;
    }
    std::string command = "command";
    for (const std::string& word : source.argv) command += " " + printable(word, 80);
    return command;
}

}  // namespace base
