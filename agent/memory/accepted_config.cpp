// SPDX-License-Identifier: Apache-2.0
// One file: a line of JSON with sizes and a digest, then the texts one after the other.
#include "agent/memory/accepted_config.hpp"

#include <nlohmann/json.hpp>

#include "agent/memory/state_files.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Result;
using nlohmann::json;

namespace {

constexpr std::size_t kAcceptedMax = std::size_t{256} * 1024 * 1024;

std::string path_in(const std::string& state_dir) {
    return state_dir + "/accepted.toml";
}

std::string body_of(const ConfigFiles& files) {
    std::string body;
    for (const ConfigText& file : files.texts) body += file.text;
    return body;
}

/// nlohmann throws on texts that are no UTF-8; the paths of files need not be.
std::string printed(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json header_of(const AcceptedConfig& accepted, const std::string& body) {
    json parts = json::array();
    for (const ConfigText& file : accepted.files.texts)
        parts.push_back({{"path", file.path}, {"size", file.text.size()}});
    return {{"version", 1},
            {"main", accepted.files.main},
            {"accepted_at", base::format_instant(accepted.accepted_at)},
            {"files", std::move(parts)},
            {"sha256", base::sha256_hex(body)}};
}

std::optional<AcceptedConfig> parse(const std::string& text) {
    const std::size_t end = text.find('\n');
    if (end == std::string::npos) return std::nullopt;
    const json header = json::parse(text.substr(0, end), nullptr, /*allow_exceptions=*/false);
    try {
        if (header.at("version") != 1) return std::nullopt;
        const auto at = base::parse_instant(header.at("accepted_at").get<std::string>());
        if (!at || header.at("sha256") != base::sha256_hex(std::string_view(text).substr(end + 1)))
            return std::nullopt;
        AcceptedConfig accepted{.files = {.main = header.at("main").get<std::string>()}, .accepted_at = *at};
        std::size_t begin = end + 1;
        for (const json& part : header.at("files")) {
            const auto size = part.at("size").get<std::size_t>();
            accepted.files.texts.push_back(
                {.path = part.at("path").get<std::string>(), .text = text.substr(begin, size)});
            begin += size;
        }
        return accepted;
    } catch (const std::exception&) {  // of nlohmann/json, and a position beyond the end
        return std::nullopt;
    }
}

}  // namespace

std::optional<CatalogueList> load_list(base::Files& files, const std::string& state_dir,
                                       const ConfigFiles& config) {
    const auto text = base::read_file(files, state_dir + "/catalogue", kAcceptedMax);
    return text ? parse_catalogue(*text, config) : std::nullopt;
}

Result<void> keep_list(base::Files& files, const std::string& state_dir, const CatalogueList& list,
                       const ConfigFiles& config) {
    return as_state(base::write_durably(files, state_dir + "/catalogue", to_text(list, config), kPrivate));
}

Result<void> keep_accepted(base::Files& files, const std::string& state_dir, const AcceptedConfig& accepted) {
    const auto before = load_accepted(files, state_dir, accepted.files.main);
    const std::string body = body_of(accepted.files);
    if (before && body_of(before->files) == body && before->files.texts.size() == accepted.files.texts.size())
        return {};
    return as_state(base::write_durably(files, path_in(state_dir),
                                        printed(header_of(accepted, body)) + "\n" + body, kPrivate));
}

std::optional<AcceptedConfig> load_accepted(base::Files& files, const std::string& state_dir,
                                            const std::string& main_file) {
    const auto text = base::read_file(files, path_in(state_dir), kAcceptedMax);
    if (!text) return std::nullopt;
    auto accepted = parse(*text);
    if (accepted && accepted->files.main != main_file) return std::nullopt;
    return accepted;
}

}  // namespace agent
