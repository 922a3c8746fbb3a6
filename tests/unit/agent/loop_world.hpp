// SPDX-License-Identifier: Apache-2.0
// A running agent, whose clock and alarm are the test's: it works for real, on a store of its own and with a
// CA in memory; what passes between its works takes no time.
#pragma once

#include <condition_variable>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "agent/memory/file_store.hpp"
#include "agent/work/control.hpp"
#include "agent/work/loop.hpp"
#include "tests/unit/acme/fake_ca.hpp"
#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace loop_world {

using namespace std::chrono_literals;
using fixtures::kNow;

/// The time that passes, and a wall clock that anybody may set.
class Clock final : public base::Clock {
  public:
    [[nodiscard]] base::Instant now() const override {
        const std::scoped_lock guard(mutex_);
        return kNow + std::chrono::floor<base::Seconds>(passed_) + off_by_;
    }

    [[nodiscard]] base::Steady steady() const override {
        const std::scoped_lock guard(mutex_);
        return base::Steady{} + passed_;
    }

    void sleep(base::Milliseconds duration) override { pass(duration); }

    void pass(base::Milliseconds duration) {
        const std::scoped_lock guard(mutex_);
        passed_ += std::max(duration, base::Milliseconds(0));
    }

    /// So far from the right time, from now on.
    void set_off_by(base::Seconds off_by) {
        const std::scoped_lock guard(mutex_);
        off_by_ = off_by;
    }

    [[nodiscard]] base::Instant right() const {
        const std::scoped_lock guard(mutex_);
        return kNow + std::chrono::floor<base::Seconds>(passed_);
    }

  private:
    mutable std::mutex mutex_;
    base::Milliseconds passed_{0};
    base::Seconds off_by_{0};
};

/// The configuration of so many: "0.example.com", "1.example.com", …
inline std::string certificates(int many) {
    std::string all;
    for (int i = 0; i < many; ++i) all += "[certificate.\"" + std::to_string(i) + ".example.com\"]\n";
    return all;
}

inline int times(const std::string& text, std::string_view words) {
    int count = 0;
    for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
    return count;
}

/// A limit: an order in so long, and a refusal that says when the next one is free.
class OneAtATime {
  public:
    OneAtATime(const Clock& clock, base::Seconds each) : clock_(clock), each_(each) {}

    /// As fakes::Ca::before, which keeps calls apart.
    std::optional<fakes::Ca::Answer> operator()(const std::string& path) {
        const base::Instant now = clock_.right();
        if (path != "/order") return std::nullopt;
        if (now >= free_at_) {
            free_at_ = now + each_;
            return std::nullopt;
        }
        base::HttpResponse refusal = fakes::problem(429, "rateLimited", "slowly");
        refusal.headers.emplace_back("retry-after", std::to_string((free_at_ - now).count()));
        return refusal;
    }

  private:
    const Clock& clock_;
    base::Seconds each_;
    base::Instant free_at_{};
};

/// What the agent waits for while nobody works, and since when.
struct Wait {
    base::Instant now{};
    std::optional<base::Instant> at{};
    std::optional<base::Milliseconds> within{};
};

/// What comes meanwhile. Nothing: this step goes on at the next wait.
using Step = std::function<std::optional<base::Woken>(const Wait&)>;

/// Waits in no time. After the last step it is SIGTERM that comes.
class Wakeup final : public base::Wakeup {
  public:
    void call() const override {
        {
            const std::scoped_lock guard(mutex_);
            is_called_ = true;
        }
        calls_.notify_all();
    }

    void watch(const base::Descriptor&) override {}

    [[nodiscard]] base::Woken wait(std::optional<base::Instant> at,
                                   std::optional<base::Milliseconds> within) override {
        {
            std::unique_lock guard(mutex_);
            if (at_work() > (hanging ? hanging() : 0)) calls_.wait(guard, [&] { return is_called_; });
            if (std::exchange(is_called_, false)) return {.was_called = true};
        }
        waits.push_back({.now = clock->now(), .at = at, .within = within});
        const bool is_a_mill = waits.size() > waits_max;
        CHECK_FALSE(is_a_mill);
        if (steps.empty() || is_a_mill) {
            if (within) clock->pass(*within);  // for what hangs
            return {.signals = {SIGTERM}};
        }
        const auto woken = steps.front()(waits.back());
        if (woken) steps.pop_front();
        return woken.value_or(base::Woken{});
    }

    Clock* clock = nullptr;
    std::function<std::size_t()> at_work{};
    std::function<std::size_t()> hanging{};  // how many will not come to an end, and are not waited for
    std::deque<Step> steps{};
    std::vector<Wait> waits{};
    std::size_t waits_max = 3000;  // more, and it turns without an end

  private:
    mutable std::mutex mutex_;
    mutable std::condition_variable calls_;
    mutable bool is_called_ = false;
};

/// The CA, and what stands between.
class Network final : public base::Transport {
  public:
    using Answer = base::Result<base::HttpResponse>;

    explicit Network(base::Transport& ca) : ca_(ca) {}

    Answer exchange(const base::HttpRequest& request) override {
        if (before) before(request);
        return ca_.exchange(request);
    }

    std::vector<Answer> exchange_all(std::span<const base::HttpRequest> requests) override {
        if (before) before(requests.front());
        return ca_.exchange_all(requests);
    }

    std::function<void(const base::HttpRequest&)> before{};  // may block, or throw

  private:
    base::Transport& ca_;
};

class World {
  public:
    explicit World(const std::string& certificates, const std::string& agent = {}) {
        std::filesystem::create_directory(directory_ / "www");
        write(certificates, agent);
        ca.fetch = [this](const std::string& token) {
            std::ifstream file(directory_ / ("www/.well-known/acme-challenge/" + token));
            return std::string(std::istreambuf_iterator<char>(file), {});
        };
        ca.make_chain = [this](EVP_PKEY* key, const fakes::Ca::Names& names) {
            const base::Instant from = clock.right();
            return base::to_pem(
                {test_ca::issue(
                     ca.intermediate,
                     {.public_key = key, .names = names, .not_before = from, .not_after = from + life}),
                 ca.intermediate.certificate});
        };
        ca.after = [this](const std::string&, int, base::HttpResponse answer) {
            answer.headers.emplace_back("date", http_date(clock.right() + ca_off_by));
            return answer;
        };
        wakeup.clock = &clock;
    }

    void write(const std::string& certificates, const std::string& agent = {}) const {
        std::ofstream(directory_ / "renewd.toml")
            << "[agent]\nstate_dir = \"" << directory_ / "state"
            << "\"\nallow_volatile = true\nmin_free = \"1KiB\"\n"
            << agent
            << "[ca.slow]\ndirectory = \"https://slow.test/dir\"\nagree_tos = true\n[ca.test]\ndirectory = \""
            << fakes::kOrigin
            << "/dir\"\nagree_tos = true\n[dns]\npublic = false\n[solver.web]\ntype = \"http-01\"\nwebroot = "
               "\""
            << directory_ / "www" << "\"\n[defaults]\nca = \"test\"\nsolver = \"web\"\n"
            << certificates;
    }

    /// From a start to the end of the steps. The state stays for another one.
    void run() {
        const auto store = agent::FileStore::open(files, directory_ / "state", /*allow_volatile=*/true);
        REQUIRE(store);
        const auto control = agent::ControlSocket::open(directory_ / "state");
        REQUIRE(control);
        spdlog::logger log("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(said_));
        agent::Progress progress(stderr, agent::Progress::Manner::Silent, clock);
        agent::Loop loop({.store = **store,
                          .files = files,
                          .transport = network,
                          .clock = clock,
                          .progress = progress,
                          .log = log,
                          .wakeup = wakeup,
                          .manager = manager,
                          .read_again = [this] { return read(); }},
                         std::move(*read()), *control);
        wakeup.at_work = [&loop] { return loop.at_work(); };
        CHECK(loop.run() == SIGTERM);
        if (at_end) at_end();
    }

    [[nodiscard]] const tests::TemporaryDirectory& directory() const { return directory_; }

    void lose_index() const { std::filesystem::remove(directory_ / "state/index"); }

    /// The agent as it lives, from one alarm to the next, for so long.
    [[nodiscard]] Step live_for(base::Seconds duration) {
        return [this, duration, until = std::optional<base::Instant>()](const Wait& wait) mutable {
            if (!until) until = clock.right() + duration;
            const base::Milliseconds left = *until - clock.right();
            base::Milliseconds span = wait.within.value_or(left);
            if (wait.at) span = std::min<base::Milliseconds>(span, *wait.at - wait.now);
            clock.pass(std::min(left, span));
            return clock.right() < *until ? std::nullopt : std::optional(base::Woken{.instant_came = true});
        };
    }

    /// The machine sleeps, and is woken by somebody else than us: both clocks have gone on.
    [[nodiscard]] Step sleep_for(base::Seconds duration) {
        return [this, duration](const Wait&) {
            clock.pass(duration);
            return std::optional(base::Woken{});
        };
    }

    /// The wall clock is set.
    [[nodiscard]] Step set_off_by(base::Seconds off_by) {
        return [this, off_by](const Wait&) {
            clock.set_off_by(off_by);
            return std::optional(base::Woken{.clock_was_set = true});
        };
    }

    [[nodiscard]] std::string said() const { return said_.str(); }

    [[nodiscard]] int orders() const { return ca.count("/order"); }

    Clock clock{};
    fakes::Ca ca{};
    Network network{ca};
    Wakeup wakeup{};
    base::ServiceManager manager{};
    tests::FaultyFiles files{};  // without a fault; it knows what was read
    base::Seconds life = 90 * 24h;
    base::Seconds ca_off_by{0};      // what it says of the time
    std::function<void()> at_end{};  // when the loop is over, and its work may not be

  private:
    [[nodiscard]] tl::expected<agent::Accepted, std::vector<base::Error>> read() const {
        auto loaded = agent::load_config_files(directory_ / "renewd.toml");
        if (!loaded) return tl::make_unexpected(std::move(loaded).error());
        auto catalogue = agent::Catalogue::read(
            std::make_shared<const agent::ConfigFiles>(std::move(*loaded)),
            [](const agent::Config& ground, const agent::CertificateConfig& certificate) {
                return agent::plan_fingerprint(certificate, ground.agent.verify_every);
            });
        if (!catalogue) {
            MESSAGE(catalogue.error().front().message);
            return tl::make_unexpected(std::move(catalogue).error());
        }
        return agent::Accepted{.catalogue = std::move(*catalogue)};
    }

    static std::string http_date(base::Instant instant) {
        const std::time_t seconds = instant.time_since_epoch().count();
        std::tm parts{};
        ::gmtime_r(&seconds, &parts);
        std::array<char, 64> text{};
        (void)std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        return text.data();
    }

    tests::TemporaryDirectory directory_{};
    std::ostringstream said_{};
};

}  // namespace loop_world
