// SPDX-License-Identifier: Apache-2.0
// A season of short lives with a CA and a network that fail as they like, an agent that is started anew again
// and again, and clocks that are set: what may never happen, and that all is well soon after it has ended.
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/agent/loop_world.hpp"

using base::Instant;
using base::Seconds;
using loop_world::World;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kLife = 160h;
constexpr int kNames = 4;
constexpr int kStarts = 5;
constexpr Seconds kBetweenStarts = 9 * 24h;

class Weather {
  public:
    Weather(World& world, unsigned seed) : world_(world), dice_(seed) {
        world.life = kLife;
        world.wakeup.waits_max = 200'000;
        world.ca.before = [this](const std::string& path, int) { return before(path); };
        world.ca.after = [this, with_date = world.ca.after](const std::string& path, int count,
                                                            base::HttpResponse answer) {
            return after(path, with_date(path, count, std::move(answer)).value());
        };
        world.ca.make_chain = [this, make = world.ca.make_chain](EVP_PKEY* key,
                                                                 const fakes::Ca::Names& names) {
            note(names.front().value);
            return make(key, names);
        };
    }

    [[nodiscard]] bool comes(double chance) {
        return is_bad_ && std::uniform_real_distribution<double>(0, 1)(dice_) < chance;
    }

    void clears_up() { is_bad_ = false; }

    [[nodiscard]] int faults() const { return faults_; }

    /// By the name: when what was issued last runs out.
    [[nodiscard]] const std::map<std::string, Instant>& ends() const { return ends_; }

  private:
    std::optional<fakes::Ca::Answer> before(const std::string& path) {
        const Instant now = world_.clock.right();
        if (now > out_until_ + 48h && comes(0.005))
            out_until_ = now + Seconds(std::uniform_int_distribution<int>(60, 72'000)(dice_));
        const bool is_out = is_bad_ && now < out_until_;
        if (!is_out && !comes(0.06)) return std::nullopt;
        ++faults_;
        if (is_out || comes(0.3)) return fakes::lost();
        if (comes(0.3)) return fakes::reply(502, "<html>Bad Gateway</html>");
        if (comes(0.5)) return fakes::problem(500, "serverInternal", "something is broken");
        if (path != "/order") return fakes::problem(400, "badNonce", "that nonce is old");
        base::HttpResponse refusal = fakes::problem(429, "rateLimited", "slowly");
        refusal.headers.emplace_back("retry-after", "1800");
        return refusal;
    }

    fakes::Ca::Answer after(const std::string& path, base::HttpResponse answer) {
        if (path.starts_with("/order") && answer.status < 300)
            answer.body = fakes::with_member(
                answer.body, "expires", '"' + base::format_instant(world_.clock.right() + 7 * 24h) + '"');
        if (!comes(0.04)) return answer;
        ++faults_;
        return fakes::lost();
    }

    void note(const std::string& name) {
        const Instant now = world_.clock.right();
        if (const auto before = ends_.find(name); before != ends_.end()) {
            CAPTURE(name);
            CHECK(now < before->second);                      // none has run out
            CHECK(now > before->second - kLife + kLife / 3);  // and none was issued twice
        }
        ends_[name] = now + kLife;
    }

    World& world_;
    std::mt19937 dice_;
    bool is_bad_ = true;
    Instant out_until_{};
    int faults_ = 0;
    std::map<std::string, Instant> ends_{};
};

}  // namespace

TEST_CASE(
    "soak: whatever fails, none runs out, none is issued twice, and all is well soon after it has ended") {
    for (const unsigned seed : {1U, 2U}) {
        CAPTURE(seed);
        World world(loop_world::certificates(kNames));
        Weather weather(world, seed);
        for (int start = 0; start < kStarts; ++start) {
            if (weather.comes(0.5)) world.wakeup.steps.push_back(world.sleep_for(5h));
            if (weather.comes(0.3)) world.wakeup.steps.push_back(world.set_off_by(90 * 24h));
            world.wakeup.steps.push_back(world.live_for(12h));
            if (weather.comes(0.3)) world.wakeup.steps.push_back(world.set_off_by(-24h));
            world.wakeup.steps.push_back(world.live_for(kBetweenStarts / 2));
            world.wakeup.steps.push_back(world.set_off_by(0s));
            world.wakeup.steps.push_back(world.live_for(kBetweenStarts / 2));
            world.run();
            if (weather.comes(0.3)) world.lose_index();
        }
        weather.clears_up();
        world.wakeup.steps.push_back(world.live_for(24h));
        world.run();
        CAPTURE(world.said());
        CHECK(weather.faults() > 20);
        CHECK(weather.ends().size() == kNames);
        for (const auto& [name, end] : weather.ends()) {
            CAPTURE(name);
            CHECK(end - world.clock.right() > kLife / 3);
        }
    }
}
