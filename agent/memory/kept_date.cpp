// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/kept_date.hpp"

#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "agent/memory/state_files.hpp"
#include "base/service_manager.hpp"

namespace agent {

using nlohmann::json;

namespace {

constexpr std::size_t kSizeMax = 262'144;
constexpr int kVersion = 2;

std::string path_in(const std::string& state_dir) {
    return state_dir + "/clock.json";
}

/// Nothing where it is none of ours.
std::optional<KeptDate> read_one(const json& kept) {
    const auto date = base::parse_instant(kept.at("date").get<std::string>());
    const auto now = base::parse_instant(kept.at("now").get<std::string>());
    const auto since_boot = kept.at("since_boot").get<std::int64_t>();
    if (!date || !now || since_boot < 0) return std::nullopt;
    return KeptDate{.ca = kept.at("ca").get<std::string>(),
                    .date = *date,
                    .now = *now,
                    .boot = kept.at("boot").get<std::string>(),
                    .since_boot = base::Seconds(since_boot)};
}

}  // namespace

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    if (id.empty()) id = base::given_boot_id();
    std::erase(id, '-');  // the kernel writes it with them, the service manager without
    return id;
}

base::Result<void> write_dates(base::Files& files, const std::string& state_dir,
                               const std::vector<KeptDate>& kept) {
    json dates = json::array();
    for (const KeptDate& one : kept) {
        dates.push_back({{"ca", one.ca},
                         {"date", base::format_instant(one.date)},
                         {"now", base::format_instant(one.now)},
                         {"boot", one.boot},
                         {"since_boot", one.since_boot.count()}});
    }
    const json text = {{"version", kVersion}, {"dates", std::move(dates)}};
    return as_state(base::write_whole(files, path_in(state_dir),
                                      text.dump(1, ' ', false, json::error_handler_t::replace), kPrivate));
}

std::vector<KeptDate> read_dates(base::Files& files, const std::string& state_dir) {
    const auto text = base::read_file(files, path_in(state_dir), kSizeMax);
    if (!text) return {};
    const json document = json::parse(*text, nullptr, /*allow_exceptions=*/false);
    std::vector<KeptDate> dates;
    try {
        if (document.at("version") != kVersion) return {};
        for (const json& one : document.at("dates")) {
            if (auto date = read_one(one)) dates.push_back(std::move(*date));
        }
    } catch (const json::exception&) {
        return {};
    }
    return dates;
}

}  // namespace agent
