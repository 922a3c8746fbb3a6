// SPDX-License-Identifier: Apache-2.0
// renewd-sweep --config FILE --ca-log FILE --graveyard DIR --kind K [--points N] [--share I/OF] [--seed S]
// [--only AT] Renews one certificate again and again; each time a process is struck at another of its outward
// calls, and others, which are not struck, have to bring it to its end. Prints one line for what is wrong,
// and one with the figures at the end.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include "tests/sweep/scene.hpp"

namespace {

using sweep::Kind;
using sweep::Scene;
using sweep::Trace;

constexpr int kPassesMax = 6;

struct Options {
    std::map<std::string, std::string> values{};

    [[nodiscard]] std::string text(const std::string& name) const {
        const auto found = values.find(name);
        return found == values.end() ? "" : found->second;
    }

    [[nodiscard]] std::size_t number(const std::string& name, std::size_t otherwise) const {
        const auto found = values.find(name);
        return found == values.end() ? otherwise : std::stoul(found->second);
    }
};

struct Figures {
    std::size_t calls = 0;  // of one renewal
    std::size_t points = 0;
    std::size_t failed = 0;
    std::size_t passes = 0;
};

std::optional<Kind> kind_of(const std::string& name) {
    for (const Kind kind :
         {Kind::Kill, Kind::NoSpace, Kind::Io, Kind::PowerLost, Kind::PowerTorn, Kind::PowerMixed}) {
        if (name == sweep::to_string(kind)) return kind;
    }
    return std::nullopt;
}

void clear(const std::string& graveyard) {
    for (const auto& entry : std::filesystem::directory_iterator(graveyard))
        std::filesystem::remove(entry.path());
}

/// A renewal that nobody disturbs; how many calls it makes.
std::size_t undisturbed(Scene& scene, Kind kind, const Trace& trace, Figures& figures) {
    scene.make_due();
    const int before = scene.generation();
    std::vector<std::string> wrong;
    if (!scene.run({.kind = kind})) wrong.emplace_back("the run says that not all is well");
    const std::size_t calls = trace.calls;
    for (const auto& found : {scene.unsafe(), scene.unfinished(before + 1)})
        wrong.insert(wrong.end(), found.begin(), found.end());
    for (const std::string& each : wrong) std::printf("WRONG before anything: %s\n", each.c_str());
    if (!wrong.empty()) ++figures.failed;
    return calls;
}

class Point {
  public:
    Point(Scene& scene, Trace& trace, sweep::Plan plan)
        : scene_(scene), trace_(trace), plan_(std::move(plan)) {}

    /// False: the run had ended before its fault could come.
    bool strike(Figures& figures) {
        const int before = scene_.generation();
        const sweep::Counted counted = scene_.counted();
        scene_.make_due();
        (void)scene_.run(plan_);
        const bool struck = trace_.struck;
        what_ = trace_.what.data();
        note(scene_.unsafe());
        bool well = false;
        for (int pass = 0; pass < kPassesMax && !well; ++pass) {
            well = scene_.run({.kind = plan_.kind});
            ++figures.passes;
            note(scene_.unsafe());
        }
        // Nothing is to be done any more; what was being thrown away goes with the next look.
        (void)scene_.run({.kind = plan_.kind}, /*looks=*/true);
        note(scene_.unsafe());
        note(scene_.unfinished(before + 1));
        judge_counts(counted);
        if (struck) ++figures.points;
        if (failed_) ++figures.failed;
        return struck;
    }

  private:
    void note(const std::vector<std::string>& wrong) {
        for (const std::string& each : wrong) note(each);
    }

    void note(const std::string& wrong) {
        failed_ = true;
        std::printf("WRONG %s at %zu (%s): %s\n", std::string(to_string(plan_.kind)).c_str(), plan_.at,
                    what_.c_str(), wrong.c_str());
        std::fflush(stdout);
    }

    /// The CA keeps a list of orders: one whose URL was never heard, or never kept, is found there and gone
    /// on with.
    void judge_counts(const sweep::Counted& before) {
        const sweep::Counted now = scene_.counted();
        const std::size_t orders = now.orders - before.orders;
        const std::size_t issued = now.issued - before.issued;
        if (issued != 1) note(std::to_string(issued) + " certificates were issued for one renewal");
        if (orders != 1) note(std::to_string(orders) + " orders were placed for one renewal");
    }

    Scene& scene_;
    Trace& trace_;
    sweep::Plan plan_;
    std::string what_{};
    bool failed_ = false;
};

int sweep_all(const Options& options, Kind kind, agent::Config config) {
    void* shared = ::mmap(nullptr, sizeof(Trace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    auto& trace = *new (shared) Trace;
    Scene scene(std::move(config), options.text("ca-log"), options.text("webroot"), options.text("graveyard"),
                trace);
    Figures figures;
    const std::size_t warm = options.number("warm", 1);
    for (std::size_t i = 0; i < warm; ++i) figures.calls = undisturbed(scene, kind, trace, figures);
    const std::size_t share = options.number("share", 0);
    const std::size_t shares = options.number("shares", 1);
    const std::size_t points = options.number("points", 0);  // 0: every call
    const std::size_t stride = points == 0 ? 1 : std::max<std::size_t>(figures.calls / points, 1);
    const std::size_t seed = options.number("seed", 1);
    const std::size_t only = options.number("only", 0);
    const std::size_t first = only != 0 ? only : 1 + seed % stride;
    for (std::size_t at = first + share * stride; only == 0 || at == only; at += stride * shares) {
        const bool struck =
            Point(scene, trace, {.kind = kind, .at = at, .seed = seed, .graveyard = scene.graveyard()})
                .strike(figures);
        clear(scene.graveyard());
        if (!struck) break;
    }
    std::printf("%s calls %zu points %zu failed %zu passes %zu\n", std::string(to_string(kind)).c_str(),
                figures.calls, figures.points, figures.failed, figures.passes);
    return figures.failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) options.values[std::string(argv[i]).substr(2)] = argv[i + 1];
    auto config = agent::read_config(options.text("config"));
    if (!config) {
        for (const base::Error& error : config.error()) std::fprintf(stderr, "%s\n", error.message.c_str());
        return 2;
    }
    const auto kind = kind_of(options.text("kind"));
    if (!kind) std::fprintf(stderr, "there is no kind \"%s\"\n", options.text("kind").c_str());
    return kind ? sweep_all(options, *kind, std::move(*config)) : 2;
}
