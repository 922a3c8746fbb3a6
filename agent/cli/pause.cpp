// SPDX-License-Identifier: Apache-2.0
// `renewd pause SELECT [--until T] [--reason TEXT]` and `renewd resume SELECT`: nothing is deployed for a
// while. Orders and looks go on, and what is urgent is deployed all the same.
#include <array>
#include <cstdio>

#include <nlohmann/json.hpp>
#include <pwd.h>
#include <unistd.h>

#include "agent/cli/command.hpp"
#include "agent/config/until.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/overview.hpp"
#include "agent/tell/words.hpp"
#include "base/encoding.hpp"
#include "base/time_zone.hpp"

namespace agent {

using base::Result;

namespace {

/// Who asks for it: who has logged in, also behind sudo; else whom we run as.
std::string caller() {
    std::array<char, 256> login{};
    if (::getlogin_r(login.data(), login.size()) == 0) return base::printable(login.data(), 64);
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    const uid_t user = ::getuid();
    const bool is_known =
        ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
    return is_known ? base::printable(entry.pw_name, 64) : "user " + std::to_string(user);
}

std::string words_of(const Pause& pause) {
    return "by " + pause.by + (pause.until ? " until " + base::format_instant(*pause.until) : "") +
           (pause.reason.empty() ? "" : ": " + pause.reason);
}

Result<std::string> pause_one(Workshop& shop, const std::string& name, const Pause& pause) {
    const auto keeper = TRY(open_in_turn(shop, name));
    TRY(keeper->change([&](Record& record) { record.pause = pause; }));
    shop.surroundings->remember(name, {.what = "paused", .text = words_of(pause)});
    return "paused " + (pause.until ? "until " + instant_words(*pause.until) : std::string("until resumed")) +
           ": nothing is deployed, but what is urgent";
}

Result<std::string> resume_one(Workshop& shop, const std::string& name) {
    const auto keeper = TRY(open_in_turn(shop, name));
    if (!keeper->record().pause) return std::string("is not paused");
    TRY(keeper->change([](Record& record) { record.pause.reset(); }));
    shop.surroundings->remember(name, {.what = "resumed", .text = "by " + caller()});
    return std::string(
               "resumed: what was held is deployed by the agent or the next run, in its window; at once:  "
               "renewd "
               "deploy ") +
           name + " --missing";
}

Result<Pause> wanted_pause(const Workshop& shop) {
    const PauseOptions& options = shop.options.pause;
    Pause pause{.since = shop.clock.now(), .by = caller(), .reason = base::printable(options.reason, 200)};
    if (!options.until.empty())
        pause.until = TRY(parse_until(options.until, shop.clock.now(), base::local_time_zone()));
    return pause;
}

}  // namespace

int pause_command(Workshop& shop) {
    const Options& options = shop.options;
    const bool pauses = options.command == "pause";
    const auto pause = pauses ? wanted_pause(shop) : Result<Pause>(Pause{});
    if (!pause) {
        tell(options, pause.error());
        return exit_code::kUsage;
    }
    int code = exit_code::kWell;
    for (const std::string& name : shop.certificates) {
        const auto done = pauses ? pause_one(shop, name, *pause) : resume_one(shop, name);
        tell_agent_of(shop, {name});
        if (!done) {
            tell(options, done.error());
            code = combined_exit_code(code, exit_code_of(done.error()));
        } else if (!options.quiet && !options.json) {
            std::printf("  %s   %s\n", name.c_str(), done->c_str());
        }
    }
    if (options.json)
        std::printf("%s\n", json_text(to_json(overview_of(shop, /*with_removed=*/false))).c_str());
    return code;
}

}  // namespace agent
