// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/program.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "acme/limits.hpp"
#include "base/encoding.hpp"
#include "base/secret_source.hpp"
#include "hooks/output.hpp"

namespace acme {

using base::Code;
using base::Result;

namespace {

constexpr std::size_t kNameLengthMax = 254;  // RFC 1035 §2.3.4, with a final dot
constexpr std::size_t kValueLength = 43;     // SHA-256 in base64url
constexpr base::Seconds kWaitMax{3600};
/// Shorter ones are in every other word.
constexpr std::size_t kBlottedMin = 4;

bool is_name(std::string_view name) {
    const auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= kNameLengthMax && !name.starts_with('-') &&
           !name.starts_with('.') && std::ranges::all_of(name, is_allowed);
}

/// A secret, and each of its lines: programs show them one by one, or joined with something else.
std::vector<std::string> pieces_of(const std::string& secret) {
    std::vector<std::string> pieces{secret};
    for (std::size_t begin = 0; begin < secret.size();) {
        const std::size_t end = std::min(secret.find_first_of("\r\n", begin), secret.size());
        pieces.push_back(secret.substr(begin, end - begin));
        begin = end + 1;
    }
    std::erase_if(pieces, [](const std::string& piece) { return piece.size() < kBlottedMin; });
    return pieces;
}

base::Failure refused(Code code, std::string_view what, std::string_view text) {
    return base::fail(code, "\"" + base::printable(text, 100) + "\" is no " + std::string(what) +
                                ", and is not handed to a program");
}

}  // namespace

ProviderKey timeout_key() {
    return {.name = "timeout",
            .kind = ProviderKey::Kind::Text,
            .meaning = "how long the program may take, \"120s\" by default"};
}

std::optional<base::Seconds> parse_wait(std::string_view text) {
    if (text.size() < 2 || text.size() > 6) return std::nullopt;
    const char unit = text.back();
    base::Seconds::rep count = 0;
    for (const char c : text.substr(0, text.size() - 1)) {
        if (c < '0' || c > '9') return std::nullopt;
        count = count * 10 + (c - '0');
    }
    if (unit != 's' && unit != 'm' && unit != 'h') return std::nullopt;
    const base::Seconds wait(count * (unit == 'h' ? 3600 : unit == 'm' ? 60 : 1));
    return wait <= kWaitMax ? std::optional(wait) : std::nullopt;
}

Result<base::Seconds> timeout_of(const ProviderSettings& settings) {
    const auto found = settings.texts.find("timeout");
    if (found == settings.texts.end() || found->second.empty()) return kProgramPatience;
    const auto wait = parse_wait(found->second);
    if (wait && *wait > base::Seconds(0)) return *wait;
    return base::fail(Code::ConfigWrongValue,
                      "solver " + settings.solver + ": timeout = \"" + base::printable(found->second, 40) +
                          "\" is no duration",
                      R"("90s", "15m", up to "1h")");
}

std::vector<std::string> program_of(const ProviderSettings& settings, const std::string& key) {
    const auto argv = settings.argvs.find(key);
    if (argv != settings.argvs.end()) return argv->second;
    const auto path = settings.texts.find(key);
    if (path == settings.texts.end() || path->second.empty()) return {};
    return {path->second};
}

Result<void> check_record(const TxtRecord& record) {
    if (!is_name(record.name) || record.name.find("..") != std::string::npos)
        return refused(Code::DnsFailed, "name of a TXT record", record.name);
    if (record.value.size() != kValueLength || !base::is_base64url(record.value, kValueLength))
        return refused(Code::CaProtocol, "value of a challenge", record.value);
    return {};
}

Result<void> check_task(const TxtRecord& record) {
    const ChallengeTask& task = record.task;
    if (task.identifier.type != base::IdentifierType::Dns || !is_name(domain_of(record)))
        return refused(Code::CaProtocol, "name of a host", task.identifier.value);
    if (!base::is_base64url(task.token, kTokenBytesMax))
        return refused(Code::CaProtocol, "token of a challenge", task.token);
    const std::string thumbprint = task.key_authorization.starts_with(task.token + ".")
                                       ? task.key_authorization.substr(task.token.size() + 1)
                                       : std::string();
    if (thumbprint.size() != kValueLength || !base::is_base64url(thumbprint, kValueLength))
        return refused(Code::CaProtocol, "key authorization", task.key_authorization);
    const std::string theirs = "_acme-challenge." + domain_of(record) + ".";
    if (record.name == theirs) return {};
    return base::fail(
        Code::ConfigConflict,
        "the value belongs to " + record.name + ", but this kind of program always writes to " + theirs,
        "give this solver type = \"dns-01\", or a provider that is told the record's name");
}

std::string domain_of(const TxtRecord& record) {
    const base::Identifier& identifier = record.task.identifier;
    return identifier.is_wildcard() ? identifier.value.substr(2) : identifier.value;
}

ProgramRunner::ProgramRunner(ProviderSettings settings, base::Seconds patience,
                             std::shared_ptr<std::mutex> turn)
    : settings_(std::move(settings)), patience_(patience), turn_(std::move(turn)) {}

Result<std::map<std::string, std::string>> ProgramRunner::environment() const {
    std::map<std::string, std::string> environment = settings_.environment;
    for (const auto& [name, source] : settings_.secret_environment)
        environment[name] = TRY(base::read_secret(source)).reveal();
    return environment;
}

std::string ProgramRunner::without_secrets(std::string text,
                                           const std::map<std::string, std::string>& environment) const {
    std::vector<std::pair<std::string, std::string>> pieces;  // what is looked for, and what takes its place
    for (const auto& [name, source] : settings_.secret_environment) {
        const auto secret = environment.find(name);
        if (secret == environment.end()) continue;
        for (std::string& piece : pieces_of(secret->second))
            pieces.emplace_back(std::move(piece), "[" + name + "]");
    }
    // One may be a part of another.
    std::ranges::sort(pieces, std::ranges::greater{}, [](const auto& piece) { return piece.first.size(); });
    for (const auto& [piece, blot] : pieces) {
        for (auto at = text.find(piece); at != std::string::npos; at = text.find(piece, at + blot.size()))
            text.replace(at, piece.size(), blot);
    }
    return text;
}

Result<base::Completed> ProgramRunner::run(const std::vector<std::string>& argv,
                                           const std::map<std::string, std::string>& more,
                                           const std::string& what) {
    const std::scoped_lock lock(*turn_);
    std::map<std::string, std::string> environment = TRY(this->environment());
    for (const auto& [name, value] : more) environment[name] = value;
    auto completed = base::run({.argv = argv, .environment = environment, .deadline = patience_});
    if (!completed)
        return tl::make_unexpected(std::move(completed).error().within("solver " + settings_.solver));
    if (completed->ok()) return completed;
    const std::string said = hooks::last_lines(
        without_secrets(completed->err.empty() ? completed->out : completed->err, environment));
    return base::fail(Code::ProviderFailed, "solver " + settings_.solver + ": " +
                                                (what.empty() ? argv.front() : what) + ": " +
                                                completed->describe() + (said.empty() ? "" : ": " + said));
}

}  // namespace acme
