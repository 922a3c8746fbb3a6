// SPDX-License-Identifier: Apache-2.0
// What commands share, made once.
#include <algorithm>
#include <cstdio>
#include <set>

#include <fnmatch.h>
#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/cli/command.hpp"
#include "agent/config/nearest.hpp"
#include "agent/tell/words.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

std::shared_ptr<spdlog::logger> make_log(const Options& options) {
    auto log = std::make_shared<spdlog::logger>("renewd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    const bool for_a_journal = options.command == "run" && !options.quiet;
    log->set_pattern("%Y-%m-%dT%H:%M:%S%z %l %v");
    log->set_level(options.verbose ? spdlog::level::debug
                   : for_a_journal ? spdlog::level::info
                                   : spdlog::level::err);
    return log;
}

Progress::Manner manner_of(const Options& options) {
    if (options.quiet || options.json) return Progress::Manner::Silent;
    return ::isatty(STDOUT_FILENO) == 1 ? Progress::Manner::Live : Progress::Manner::Lines;
}

bool matches(const std::string& pattern, const std::string& name) {
    return pattern == name || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace

Workshop::Workshop(Options the_options, Config the_config)
    : options(std::move(the_options)), config(std::move(the_config)) {}

Workshop::~Workshop() = default;

Result<std::unique_ptr<Workshop>> Workshop::open(const Options& options, Config config,
                                                 std::vector<std::string> certificates, bool read_only) {
    std::unique_ptr<Workshop> shop(new Workshop(options, std::move(config)));
    shop->certificates = std::move(certificates);
    const std::string& state = shop->config.agent.state_dir;
    if (read_only) {
        shop->store = FileStore::open_read_only(shop->files, state);
    } else {
        shop->store = TRY(FileStore::open(shop->files, state, shop->config.agent.allow_volatile));
    }
    shop->log = make_log(options);
    shop->progress = std::make_unique<Progress>(stdout, manner_of(options), shop->clock);
    shop->transport = std::make_unique<base::CurlTransport>("renewd/" RENEWD_VERSION " libcurl");
    shop->surroundings = std::make_unique<Surroundings>(
        shop->config, *shop->store, shop->files, *shop->transport, shop->clock, *shop->progress, *shop->log);
    if (options.command != "run") shop->surroundings->somebody_waits();
    return shop;
}

int exit_code_of(const base::Error& error) {
    const std::string_view code = base::to_string(error.code);
    switch (error.code) {
        case Code::StateLocked:
            return exit_code::kBusy;
        case Code::CaRateLimited:
            return exit_code::kHeld;
        case Code::CaBindingRequired:
        case Code::CaTermsNotAgreed:
            return exit_code::kUsage;
        default:
            break;
    }
    if (code.starts_with("config/") || code.starts_with("usage/")) return exit_code::kUsage;
    if (code.starts_with("state/")) return exit_code::kState;
    return code.starts_with("ca/") || code.starts_with("net/") ? exit_code::kNotIssued
                                                               : exit_code::kUnexpected;
}

void tell(const Options& options, const base::Error& error) {
    if (options.json) {
        std::fprintf(stderr, "%s\n", to_json(error).dump().c_str());
        return;
    }
    std::fprintf(stderr, "%s\n", error.message.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "    %s\n", error.hint.c_str());
}

Result<std::vector<std::string>> select(const Config& config, const Options& options) {
    std::set<std::string> chosen;
    std::set<std::string, std::less<>> known;
    for (const auto& [name, certificate] : config.certificates) known.insert(name);
    for (const std::string& pattern : options.select) {
        bool any = false;
        for (const std::string& name : known) {
            if (!matches(pattern, name)) continue;
            chosen.insert(name);
            any = true;
        }
        if (any) continue;
        const std::string meant = nearest(pattern, known);
        return base::fail(Code::UsageWrong, "there is no certificate \"" + pattern + "\" in " + config.file +
                                                (meant.empty() ? "" : "; did you mean \"" + meant + "\"?"));
    }
    const bool is_narrowed = !options.host.empty() || !options.target.empty() || !options.ca.empty();
    const bool revokes = options.command == "revoke" || options.command == "replace";
    const bool is_dangerous = options.force || (revokes && !is_narrowed);
    if (is_dangerous && options.select.empty() && !options.all) {
        return base::fail(Code::UsageWrong,
                          "which? name some, or --all (" + counted(known.size(), "certificate") + ")");
    }
    if (options.select.empty()) chosen.insert(known.begin(), known.end());
    std::erase_if(chosen, [&](const std::string& name) {
        const CertificateConfig& certificate = config.certificates.at(name);
        const bool other_ca = !options.ca.empty() && certificate.ca.front() != options.ca;
        const bool no_target = (!options.host.empty() || !options.target.empty()) &&
                               std::ranges::none_of(certificate.targets, [&](const TargetConfig& target) {
                                   return (options.host.empty() || target.host == options.host) &&
                                          (options.target.empty() || target.name == options.target);
                               });
        return other_ca || no_target;
    });
    if (chosen.empty() && !known.empty())
        return base::fail(Code::UsageWrong, "no certificate is selected by that");
    return std::vector<std::string>(chosen.begin(), chosen.end());
}

Result<std::string> find_certificate(Workshop& shop, const std::string& name) {
    std::set<std::string, std::less<>> known;
    for (const auto& [configured, certificate] : shop.config.certificates) known.insert(configured);
    if (known.contains(name)) return name;
    for (const std::string& kept : TRY(shop.store->certificates())) known.insert(kept);
    if (known.contains(name)) return name;
    const std::string meant = nearest(name, known);
    return base::fail(Code::UsageWrong, "there is no certificate \"" + name + "\" in " + shop.config.file +
                                            " and none is kept" +
                                            (meant.empty() ? "" : "; did you mean \"" + meant + "\"?"));
}

base::Seconds limit_patience(const Options& options) {
    return manner_of(options) == Progress::Manner::Live ? base::Seconds(120) : base::Seconds(0);
}

std::size_t width_of(const Options& options) {
    if (options.width != 0) return options.width;
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
    return 80;
}

std::vector<std::string> select_targets(const Config& config, const Options& options) {
    if (options.host.empty() && options.target.empty()) return {};
    std::set<std::string> names;
    for (const auto& [name, certificate] : config.certificates) {
        for (const TargetConfig& target : certificate.targets) {
            const bool is_named = (options.host.empty() || target.host == options.host) &&
                                  (options.target.empty() || target.name == options.target);
            if (is_named) names.insert(target.name);
        }
    }
    return {names.begin(), names.end()};
}

Overview overview_of(Workshop& shop, bool with_removed) {
    Overview overview{.now = shop.clock.now()};
    const auto note = [&](const base::Error& error) {
        overview.store.ok = false;
        overview.store.message = error.message;
    };
    for (const std::string& name : shop.certificates) {
        const CertificateConfig& certificate = shop.config.certificates.at(name);
        auto record = shop.store->load(name);
        if (!record) note(record.error());
        const auto order = shop.store->open_order(name);
        Record known =
            record && *record ? std::move(**record) : Record{.name = name, .first_seen = overview.now};
        CertificateStatus status = status_of(certificate, known, order && order->has_value(),
                                             shop.config.agent.verify_every, overview.now);
        const bool is_placed = order && order->has_value() && !(*order)->url.empty();
        if (status.plan.renewal_due(overview.now) && !is_placed) {
            const CaConfig& ca = shop.config.cas.at(certificate.ca.front());
            const OrderAhead ahead = order_ahead(certificate, status.record, ca.name, overview.now);
            if (const auto hold = shop.surroundings->ledgers().hold(ca, ahead)) hold_back(status, *hold);
        }
        overview.certificates.push_back(std::move(status));
    }
    if (with_removed) {
        for (const std::string& name : shop.store->certificates().value_or(std::vector<std::string>{})) {
            if (shop.config.certificates.contains(name)) continue;
            const auto record = shop.store->load(name);
            if (record && *record) overview.certificates.push_back(removed_status(**record));
        }
    }
    const auto free = shop.store->free_bytes();
    if (free) overview.store.free_bytes = *free;
    if (free && *free < shop.config.agent.min_free_bytes) {
        note({.message = "state directory: " + shop.config.agent.state_dir + " has " +
                         std::to_string(*free / 1024) + " KiB free. No order is started until " +
                         std::to_string(shop.config.agent.min_free_bytes / 1024) +
                         " KiB are free. Nothing is lost, nothing is served wrongly."});
    }
    std::ranges::sort(overview.certificates, is_more_urgent);
    return overview;
}

namespace {

int lowest(int a, int b) {
    if (a == 0 || b == 0) return a + b;
    return std::min(a, b);
}

/// A limit that holds an order: which, until when, and how to go past it.
base::Error error_of(const CertificateOutcome& outcome, base::Instant now) {
    return {.code = Code::CaRateLimited,
            .message =
                outcome.name + ": " + outcome.held->reason + "; free " + when_words(outcome.held->until, now),
            .hint = "it is ordered then by itself where it is due; to order it all the same:  renewd renew " +
                    outcome.name + " --force --over-limit",
            .step = "order",
            .retry_at = outcome.held->until};
}

/// What the pass itself ran into, beyond what stands in the records.
int tell_outcome(Workshop& shop, const CertificateOutcome& outcome, bool by_hand) {
    for (const std::string& remark : outcome.remarks) tell(shop.options, {.message = remark});
    if (outcome.error) {
        tell(shop.options, *outcome.error);
        if (outcome.error->code == Code::StateLocked) return exit_code::kBusy;
        return base::to_string(outcome.error->code).starts_with("state/") ? exit_code::kState
                                                                          : exit_code::kUnexpected;
    }
    if (outcome.held && by_hand) {
        tell(shop.options, error_of(outcome, shop.clock.now()));
        return exit_code::kHeld;
    }
    return 0;
}

}  // namespace

int work_on(Workshop& shop, const PassOptions& pass) {
    const std::vector<CertificateOutcome> outcomes = run_pass(*shop.surroundings, shop.certificates, pass);
    int code = 0;
    int beside = 0;  // 6, 7 and 8
    std::set<std::string> untouched;
    for (const CertificateOutcome& outcome : outcomes) {
        beside = std::max(beside, tell_outcome(shop, outcome, pass.wishes.by_hand));
        if (outcome.error || (outcome.held && pass.wishes.by_hand)) untouched.insert(outcome.name);
    }
    const Overview overview = overview_of(shop, /*with_removed=*/false);
    for (const CertificateStatus& status : overview.certificates) {
        if (untouched.contains(status.record.name)) continue;
        code = lowest(code, exit_code_of(status));
        for (const Condition& condition : status.conditions) {
            if (shop.options.command == "run" || shop.options.json) break;  // the log has it, or the JSON
            tell(shop.options, {.message = condition.message, .hint = condition.hint});
        }
    }
    if (shop.options.json) std::printf("%s\n", to_json(overview).dump(1).c_str());
    if (beside == exit_code::kState || beside == exit_code::kUnexpected) return beside;
    return code != 0 ? code : beside;
}

}  // namespace agent
