// SPDX-License-Identifier: Apache-2.0
// One file: a line of JSON with sizes and a digest, then the texts one after the other.
#include "agent/memory/accepted_config.hpp"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include "agent/memory/state_files.hpp"
#include "base/digest.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Result;
using nlohmann::json;

namespace {

constexpr std::size_t kAcceptedMax = std::size_t{256} * 1024 * 1024;
constexpr std::size_t kPiece = std::size_t{64} * 1024;

std::string path_in(const std::string& state_dir) {
    return state_dir + "/accepted.toml";
}

/// nlohmann throws on texts that are no UTF-8; the paths of files need not be.
std::string printed(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// With its newline.
std::string header_of(const ConfigFiles& config, const std::string& sha256, base::Instant accepted_at) {
    json parts = json::array();
    for (const ConfigText& file : config.texts)
        parts.push_back({{"path", file.path}, {"size", file.text.size()}});
    return printed({{"version", 1},
                    {"main", config.main},
                    {"accepted_at", base::format_instant(accepted_at)},
                    {"files", std::move(parts)},
                    {"sha256", sha256}}) +
           '\n';
}

std::string digest_of(const ConfigFiles& config) {
    base::Sha256 digest;
    for (const ConfigText& file : config.texts) digest.add(file.text);
    return std::move(digest).hex();
}

std::optional<base::Instant> accepted_at_of(const std::string& header) {
    const json value = json::parse(header, nullptr, /*allow_exceptions=*/false);
    const auto at = value.is_object() ? value.find("accepted_at") : value.end();
    return at != value.end() && at->is_string() ? base::parse_instant(at->get<std::string>()) : std::nullopt;
}

/// Does the file go on with these bytes?
bool goes_on_with(base::Files& files, const base::Descriptor& file, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto read = files.read(file, std::min(bytes.size(), kPiece));
        if (!read || read->empty() || !bytes.starts_with(*read)) return false;
        bytes.remove_prefix(read->size());
    }
    return true;
}

/// Whole, whenever it was accepted.
bool is_kept(base::Files& files, const std::string& path, const ConfigFiles& config,
             const std::string& sha256) {
    auto file = files.open(path, O_RDONLY, 0);
    if (!file) return false;
    // Whenever it was, that takes as many bytes.
    std::string header = header_of(config, sha256, base::Instant{});
    const auto read = files.read(*file, header.size());
    const auto at = read ? accepted_at_of(*read) : std::nullopt;
    if (!at || header_of(config, sha256, *at) != *read) return false;
    for (const ConfigText& text : config.texts) {
        if (!goes_on_with(files, *file, text.text)) return false;
    }
    const auto end = files.read(*file, 1);
    return end && end->empty();
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

Result<void> keep_accepted(base::Files& files, const std::string& state_dir, const ConfigFiles& config,
                           base::Instant accepted_at) {
    const std::string sha256 = digest_of(config);
    if (is_kept(files, path_in(state_dir), config, sha256)) return {};
    std::string all = header_of(config, sha256, accepted_at);
    std::size_t size = all.size();
    for (const ConfigText& file : config.texts) size += file.text.size();
    all.reserve(size);
    for (const ConfigText& file : config.texts) all += file.text;
    return as_state(base::write_durably(files, path_in(state_dir), all, kPrivate));
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
