// SPDX-License-Identifier: Apache-2.0
// A CA's directory, kept beside the account: it saves each run a round trip, and may be lost at any time.
#include <nlohmann/json.hpp>

#include "agent/memory/file_store.hpp"
#include "base/file.hpp"

namespace agent {

namespace {

constexpr std::size_t kDirectoryFileMax = std::size_t{2} * 1024 * 1024;

}  // namespace

std::optional<acme::KeptDirectory> FileStore::kept_directory(const std::string& ca,
                                                             const std::string& directory) {
    const auto text =
        base::read_file(files_, account_place(ca, directory) + "/directory.json", kDirectoryFileMax);
    if (!text) return std::nullopt;
    const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("fetched_at") || !json.contains("body")) return std::nullopt;
    if (!json["fetched_at"].is_string() || !json["body"].is_string()) return std::nullopt;
    const auto fetched_at = base::parse_instant(json["fetched_at"].get<std::string>());
    if (!fetched_at) return std::nullopt;
    return acme::KeptDirectory{.body = json["body"].get<std::string>(), .fetched_at = *fetched_at};
}

void FileStore::keep_directory(const std::string& ca, const std::string& directory,
                               const acme::KeptDirectory& kept) {
    if (!may_write_) return;
    const std::string home = account_place(ca, directory);
    const nlohmann::json json = {{"fetched_at", base::format_instant(kept.fetched_at)}, {"body", kept.body}};
    const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    // Whatever stands in the way: the next run asks the CA again.
    if (!base::make_directories(files_, home, 0700)) return;
    static_cast<void>(base::write_durably(files_, home + "/directory.json", text, {.mode = 0600}));
}

}  // namespace agent
