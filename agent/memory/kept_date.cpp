// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/kept_date.hpp"

#include <fstream>

#include <nlohmann/json.hpp>

#include "agent/memory/state_files.hpp"

namespace agent {

using nlohmann::json;

namespace {

constexpr std::size_t kSizeMax = 4096;

std::string path_in(const std::string& state_dir) {
    return state_dir + "/clock.json";
}

}  // namespace

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string line;
    std::getline(file, line);
    return line;
}

base::Result<void> write_date(base::Files& files, const std::string& state_dir, const KeptDate& kept) {
    const json text = {{"version", 1},
                       {"date", base::format_instant(kept.date)},
                       {"now", base::format_instant(kept.now)},
                       {"boot", kept.boot},
                       {"since_boot", kept.since_boot.count()}};
    return as_state(base::write_whole(files, path_in(state_dir),
                                      text.dump(1, ' ', false, json::error_handler_t::replace), kPrivate));
}

std::optional<KeptDate> read_date(base::Files& files, const std::string& state_dir) {
    const auto text = base::read_file(files, path_in(state_dir), kSizeMax);
    if (!text) return std::nullopt;
    const json kept = json::parse(*text, nullptr, /*allow_exceptions=*/false);
    try {
        const auto date = base::parse_instant(kept.at("date").get<std::string>());
        const auto now = base::parse_instant(kept.at("now").get<std::string>());
        const auto since_boot = kept.at("since_boot").get<std::int64_t>();
        if (kept.at("version") != 1 || !date || !now || since_boot < 0) return std::nullopt;
        return KeptDate{.date = *date,
                        .now = *now,
                        .boot = kept.at("boot").get<std::string>(),
                        .since_boot = base::Seconds(since_boot)};
    } catch (const json::exception&) {
        return std::nullopt;
    }
}

}  // namespace agent
