// SPDX-License-Identifier: Apache-2.0
// An executor's answer as one line of JSON. It may come from another machine: every member is checked.
#include <array>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "deployers/hosts/answers.hpp"
#include "deployers/hosts/host.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

using nlohmann::json;

struct OutcomeName {
    InstallOutcome outcome;
    std::string_view name;
};

constexpr std::array kOutcomes{OutcomeName{InstallOutcome::Installed, "installed"},
                               OutcomeName{InstallOutcome::Unchanged, "unchanged"},
                               OutcomeName{InstallOutcome::ServiceBroken, "service-broken"},
                               OutcomeName{InstallOutcome::TestFailed, "test-failed"},
                               OutcomeName{InstallOutcome::WriteFailed, "write-failed"},
                               OutcomeName{InstallOutcome::Restored, "restored"},
                               OutcomeName{InstallOutcome::Committed, "committed"}};

base::Failure malformed(std::string_view text) {
    return base::fail(base::Code::HostProtocol,
                      "an answer that is none of renewd's: " + base::printable(text, /*length_max=*/200));
}

/// What programs printed goes along, whatever it is.
std::string one_line(const json& object) {
    return object.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
}

json to_object(const CommandReport& report) {
    if (!report.ran) return {{"ran", false}};
    return {{"ran", true}, {"exit_code", report.exit_code}, {"output", report.output}};
}

/// A string member, made printable; nothing if it is missing or something else.
std::optional<std::string> text_of(const json& object, const char* name) {
    const auto member = object.find(name);
    if (member == object.end() || !member->is_string()) return std::nullopt;
    return base::printable(member->get_ref<const std::string&>(), kOutputMax);
}

std::optional<CommandReport> command_of(const json& object, const char* name) {
    const auto member = object.find(name);
    if (member == object.end() || !member->is_object()) return std::nullopt;
    const auto ran = member->find("ran");
    if (ran == member->end() || !ran->is_boolean()) return std::nullopt;
    if (!ran->get<bool>()) return CommandReport{};
    const auto exit_code = member->find("exit_code");
    auto output = text_of(*member, "output");
    if (exit_code == member->end() || !exit_code->is_number_integer() || !output) return std::nullopt;
    const auto code = exit_code->get<std::int64_t>();
    if (code < 0 || code > 255) return std::nullopt;
    return CommandReport{.ran = true, .exit_code = static_cast<int>(code), .output = std::move(*output)};
}

std::optional<InstallOutcome> outcome_of(const json& object) {
    const auto name = text_of(object, "outcome");
    for (const OutcomeName& known : kOutcomes) {
        if (name == known.name) return known.outcome;
    }
    return std::nullopt;
}

/// The answer as an object of version 1; an executor's own error becomes ours.
base::Result<json> parse_answer(std::string_view text) {
    if (text.size() > kReportMax) return malformed(text);
    json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return malformed(text);
    const auto version = object.find("version");
    if (version == object.end() || !version->is_number_integer() || version->get<std::int64_t>() != 1) {
        return malformed(text);
    }
    if (const auto code = text_of(object, "error")) {
        auto message = text_of(object, "message");
        const auto known = base::parse_code(*code);
        if (!known || !message) return malformed(text);
        return base::fail(*known, std::move(*message), text_of(object, "hint").value_or(""));
    }
    return object;
}

}  // namespace

std::string to_json(const InstallReport& report) {
    std::string_view outcome;
    for (const OutcomeName& known : kOutcomes) {
        if (known.outcome == report.outcome) outcome = known.name;
    }
    const json object{{"version", 1},
                      {"outcome", outcome},
                      {"test_before", to_object(report.test_before)},
                      {"test_after", to_object(report.test_after)},
                      {"reload", to_object(report.reload)},
                      {"message", report.message},
                      {"interrupted_before", report.interrupted_before}};
    return one_line(object);
}

base::Result<InstallReport> parse_report(std::string_view text) {
    const json object = TRY(parse_answer(text));
    const auto outcome = outcome_of(object);
    auto before = command_of(object, "test_before");
    auto after = command_of(object, "test_after");
    auto reload = command_of(object, "reload");
    auto message = text_of(object, "message");
    const auto interrupted = object.find("interrupted_before");
    if (!outcome || !before || !after || !reload || !message || interrupted == object.end() ||
        !interrupted->is_boolean()) {
        return malformed(text);
    }
    return InstallReport{.outcome = *outcome,
                         .test_before = std::move(*before),
                         .test_after = std::move(*after),
                         .reload = std::move(*reload),
                         .message = std::move(*message),
                         .interrupted_before = interrupted->get<bool>()};
}

std::string digests_to_json(const std::vector<std::string>& digests) {
    return one_line({{"version", 1}, {"files", digests}});
}

std::string refusal_to_json(const base::Error& error) {
    const json object{{"version", 1},
                      {"error", base::to_string(error.code)},
                      {"message", error.message},
                      {"hint", error.hint}};
    return one_line(object);
}

std::string permission_to_json(std::size_t rules) {
    return one_line({{"version", 1}, {"permitted", true}, {"rules", rules}});
}

base::Result<std::size_t> parse_permission(std::string_view text) {
    const json object = TRY(parse_answer(text));
    const auto permitted = object.find("permitted");
    const auto rules = object.find("rules");
    if (permitted == object.end() || *permitted != true || rules == object.end() ||
        !rules->is_number_unsigned()) {
        return malformed(text);
    }
    return rules->get<std::size_t>();
}

base::Result<std::vector<FileDigest>> parse_digests(std::string_view text,
                                                    const std::vector<std::string>& paths) {
    const json object = TRY(parse_answer(text));
    const auto list = object.find("files");
    if (list == object.end() || !list->is_array() || list->size() != paths.size()) return malformed(text);
    std::vector<FileDigest> digests;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        const json& digest = (*list)[i];
        if (!digest.is_string()) return malformed(text);
        const auto& sha256 = digest.get_ref<const std::string&>();
        if (sha256.empty()) continue;  // nothing there
        if (sha256.size() != 64 || sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
            return malformed(text);
        }
        digests.push_back({.path = paths[i], .sha256 = sha256});
    }
    return digests;
}

}  // namespace deployers
