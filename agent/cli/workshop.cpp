// SPDX-License-Identifier: Apache-2.0
// What commands share, made once.
#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include <fnmatch.h>
#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/cli/command.hpp"
#include "agent/config/nearest.hpp"
#include "agent/memory/agent_note.hpp"
#include "agent/memory/machine.hpp"
#include "agent/tell/hold_words.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/overview.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/control.hpp"
#include "agent/work/in_turn.hpp"
#include "agent/work/local_rights.hpp"
#include "agent/work/status_now.hpp"
#include "base/encoding.hpp"
#include "base/service_manager.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

/// "<6>", as sd-daemon(3) marks a line's priority for the journal.
class JournalMark final : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
                spdlog::memory_buf_t& line) override {
        constexpr std::array<char, 7> kPriorities{'7', '7', '6', '4', '3', '2', '6'};  // by spdlog's level
        line.push_back('<');
        line.push_back(kPriorities.at(static_cast<std::size_t>(message.level)));
        line.push_back('>');
    }

    [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<JournalMark>();
    }
};

std::unique_ptr<spdlog::formatter> line_format() {
    auto format = std::make_unique<spdlog::pattern_formatter>();
    // The journal has its own time and priority.
    const bool is_journal = base::logs_to_journal();
    format->add_flag<JournalMark>('*').set_pattern(is_journal ? "%*%v" : "%Y-%m-%dT%H:%M:%S%z %l %v");
    return format;
}

std::shared_ptr<spdlog::logger> make_log(const Options& options) {
    auto log = std::make_shared<spdlog::logger>("renewd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    const bool for_a_journal = options.command == "run" && !options.quiet;
    log->set_formatter(line_format());
    log->set_level(options.verbose ? spdlog::level::debug
                   : for_a_journal ? spdlog::level::info
                                   : spdlog::level::err);
    return log;
}

Progress::Manner manner_of(const Options& options) {
    const bool is_agent = options.command == "run" && !options.once;  // its log says it
    if (options.quiet || options.json || is_agent) return Progress::Manner::Silent;
    return ::isatty(STDOUT_FILENO) == 1 ? Progress::Manner::Live : Progress::Manner::Lines;
}

bool matches(const std::string& pattern, const std::string& name) {
    return pattern == name || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace

Workshop::Workshop(Options the_options, Configured configured)
    : options(std::move(the_options)),
      config(std::move(configured.config)),
      config_files(std::move(configured.files)),
      config_error(std::move(configured.error)),
      config_accepted_at(configured.accepted_at) {}

Workshop::~Workshop() = default;

Result<std::unique_ptr<Workshop>> Workshop::open(const Options& options, Configured configured,
                                                 std::vector<std::string> certificates, bool read_only) {
    std::unique_ptr<Workshop> shop(new Workshop(options, std::move(configured)));
    shop->certificates = std::move(certificates);
    const std::string& state = shop->config.agent.state_dir;
    if (read_only) {
        shop->store = FileStore::open_read_only(shop->files, state);
    } else {
        shop->store = TRY(FileStore::open(shop->files, state, shop->config.agent.allow_volatile));
    }
    shop->log = make_log(options);
    const std::string remark = options.command == "run" ? rights_remark(shop->config) : std::string();
    if (!remark.empty()) shop->log->warn("{}", remark);
    if (!read_only) {
        const auto moved = TRY(note_machine(shop->files, state, shop->clock.now()));
        if (moved) tell(options, *moved);
    }
    shop->progress = std::make_unique<Progress>(stdout, manner_of(options), shop->clock);
    shop->transport = std::make_unique<base::CurlTransport>("renewd/" RENEWD_VERSION " libcurl");
    shop->surroundings = std::make_unique<Surroundings>(
        shop->config, *shop->store, shop->files, *shop->transport, shop->clock, *shop->progress, *shop->log);
    if (options.command != "run") shop->surroundings->somebody_waits();
    return shop;
}

void tell(const Options& options, const base::Error& error) {
    if (options.json) {
        std::fprintf(stderr, "%s\n", json_text(to_json(error), -1).c_str());
        return;
    }
    std::fprintf(stderr, "%s\n", error.message.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "    %s\n", error.hint.c_str());
}

namespace {

Result<void> check_ca(const Config& config, const std::string& name) {
    if (name.empty() || config.cas.contains(name)) return {};
    std::string known;
    for (const auto& [ca, settings] : config.cas) known += (known.empty() ? "" : ", ") + ca;
    return base::fail(Code::UsageWrong,
                      "there is no CA \"" + base::printable(name, 100) + "\" in " + config.file,
                      "known: " + known);
}

}  // namespace

Result<std::vector<std::string>> select(const Config& config, const Options& options) {
    TRY(check_ca(config, options.order_at));
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
    const bool is_narrowed = !options.host.empty() || !options.target.empty() || !options.ca.empty() ||
                             !options.contact.empty() || !options.state.empty();
    const bool wants_names = options.command == "revoke" || options.command == "replace" ||
                             options.command == "pause" || options.command == "resume";
    const bool is_dangerous = options.force || (wants_names && !is_narrowed);
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
        const bool other_contact = !options.contact.empty() &&
                                   certificate.contact.find(options.contact) == std::string::npos &&
                                   !matches(options.contact, certificate.contact);
        return other_ca || no_target || other_contact;
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

Result<std::unique_ptr<Keeper>> open_in_turn(Workshop& shop, const std::string& name) {
    auto keeper = open_in_turn(*shop.surroundings, name, shop.options.wait);
    shop.progress->finish(name, "");
    return keeper;
}

void tell_agent_of(const Workshop& shop, const std::vector<std::string>& certificates) {
    for (const std::string& name : certificates) tell_agent(shop.config.agent.state_dir, changed_line(name));
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

Result<void> narrow_to_state(Workshop& shop) {
    const std::string& state = shop.options.state;
    if (state.empty()) return {};
    if (const auto known = certificate_states(); !known.contains(state)) {
        std::string names;
        for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
        return base::fail(Code::UsageWrong,
                          "there is no state \"" + base::printable(state, 40) + "\"; accepted: " + names);
    }
    std::set<std::string> chosen;
    for (const CertificateStatus& status : overview_of(shop, /*with_removed=*/false).certificates) {
        if (to_string(status.state) == state) chosen.insert(status.record.name);
    }
    shop.certificates.assign(chosen.begin(), chosen.end());
    return {};
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

namespace {

constexpr base::Milliseconds kAgentPatience{1'000};  // it answers at once, or is stuck itself

/// By itself it is up to date, and where it could not write its note (a full disk), that is an older one.
std::optional<AgentNote> note_of_agent(Workshop& shop) {
    const std::string& state = shop.config.agent.state_dir;
    const auto said = ask_agent(state, kNoteQuestion, kAgentPatience);
    auto note = said ? parse_note(*said) : std::nullopt;
    return note ? note : read_note(shop.files, state);
}

AgentStatus agent_status(Workshop& shop) {
    AgentStatus status{.config_error = shop.config_error, .config_accepted_at = shop.config_accepted_at};
    if (const auto note = note_of_agent(shop)) {
        status.is_running = true;
        status.since = note->since;
        // Of the files as the agent found them: they may have been mended, or broken, since.
        if (status.config_error.empty()) {
            status.config_error = note->config_error;
            status.config_accepted_at = note->config_accepted_at;
        }
    }
    return status;
}

/// What only a write finds out (a disk that answers with errors), the agent that runs has met: a command that
/// only reads has it from there.
void note_trouble_of_the_agent(const Workshop& shop, StoreStatus& store) {
    const auto met = ask_agent(shop.config.agent.state_dir, kStateQuestion, kAgentPatience);
    if (!met || met->empty()) return;
    store.errors.push_back(
        {.code = Code::StateUnwritable,
         .message = "the running agent cannot read or write the state: " + base::printable(*met, 500),
         .hint = "see to the disk; the agent tries again by itself, every minute",
         .step = "state"});
}

}  // namespace

Overview overview_of(Workshop& shop, bool with_removed) {
    const ClockVerdict clock = shop.surroundings->clock_watch().judge();
    Overview overview{.now = shop.surroundings->right_time({}), .clock_holds_orders = !clock.may_order};
    if (!clock.message.empty()) overview.clock = clock_error(clock);
    overview.agent = agent_status(shop);
    overview.conditions = conditions_now(*shop.surroundings);
    overview.store = store_now(*shop.surroundings);
    for (const std::string& name : shop.certificates) {
        const CertificateConfig& certificate = shop.config.certificates.at(name);
        StatusNow found = status_now(*shop.surroundings, certificate);
        for (base::Error& trouble : found.trouble) {
            trouble.step = "state";
            overview.store.errors.push_back(std::move(trouble));
        }
        overview.certificates.push_back(std::move(found.status));
    }
    if (with_removed) {
        for (const std::string& name : shop.store->certificates().value_or(std::vector<std::string>{})) {
            if (shop.config.certificates.contains(name)) continue;
            const auto record = shop.store->load(name);
            if (record && *record) overview.certificates.push_back(removed_status(**record));
        }
    }
    std::ranges::sort(overview.certificates, is_more_urgent);
    if (overview.store.ok()) note_trouble_of_the_agent(shop, overview.store);
    return overview;
}

namespace {

/// What a window or a pause holds back is told to whoever waits; 8 where it was asked for, and nothing was
/// done.
int tell_hold(Workshop& shop, const CertificateOutcome& outcome) {
    const Options& options = shop.options;
    const bool is_asked_for = options.command == "deploy" || !options.select.empty();
    if (!outcome.hold || options.command == "run" || (!is_asked_for && !outcome.has_worked)) return 0;
    tell(options, {.code = Code::DeployHeld,
                   .message = outcome.name + ": " + outcome.held_target + " is " +
                              hold_words(*outcome.hold, shop.clock.now()),
                   .hint = "at once:  renewd deploy " + outcome.name + " --now",
                   .step = "deploy"});
    return outcome.has_worked ? 0 : exit_code::kHeld;
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
    if (outcome.held && outcome.held->is_of_clock) return 0;  // told for all of them
    if (outcome.held && by_hand) {
        tell(shop.options, error_of(outcome, shop.clock.now()));
        return exit_code::kHeld;
    }
    return tell_hold(shop, outcome);
}

}  // namespace

int work_on(Workshop& shop, const PassOptions& pass) {
    return conclude(shop, pass, run_pass(*shop.surroundings, shop.certificates, pass));
}

int conclude(Workshop& shop, const PassOptions& pass, const std::vector<CertificateOutcome>& outcomes) {
    tell_agent_of(shop, shop.certificates);
    int code = 0;
    bool has_worked = false;  // on any of them: then 6 and 8, which say that nothing was done, are not true
    std::set<std::string> untouched;
    for (const CertificateOutcome& outcome : outcomes) {
        code = combined_exit_code(code, tell_outcome(shop, outcome, pass.wishes.by_hand));
        has_worked = has_worked || (outcome.has_worked && !outcome.held && !outcome.error);
        if (outcome.error || (outcome.held && pass.wishes.by_hand)) untouched.insert(outcome.name);
    }
    Overview overview = overview_of(shop, /*with_removed=*/false);
    for (const CertificateOutcome& outcome : outcomes) {
        if (overview.clock || !outcome.held || !outcome.held->is_of_clock) continue;
        // By its own CA alone; another one agrees with the clock.
        const std::string& ca = shop.config.certificates.at(outcome.name).ca.front();
        overview.clock = clock_error(shop.surroundings->clock_watch().judge({}, ca));
        overview.clock_holds_orders = true;
    }
    for (const CertificateStatus& status : overview.certificates) {
        if (untouched.contains(status.record.name)) continue;
        code = combined_exit_code(code, exit_code_of(status));
        for (const Condition& condition : status.conditions) {
            if (shop.options.command == "run" || shop.options.json) break;      // the log has it, or the JSON
            if (condition.code == base::to_string(Code::DeployHeld)) continue;  // told with its outcome
            if (condition.code == base::to_string(Code::ClockWrong)) continue;  // told once, below
            tell(shop.options, {.message = condition.message, .hint = condition.hint});
        }
    }
    if (overview.clock) {
        if (shop.options.command != "run") tell(shop.options, *overview.clock);  // its log has it
        if (overview.clock_holds_orders && pass.may_renew)
            code = combined_exit_code(code, exit_code::kNotIssued);
    }
    if (shop.options.json) std::printf("%s\n", json_text(to_json(overview)).c_str());
    const bool says_nothing_done = code == exit_code::kBusy || code == exit_code::kHeld;
    return says_nothing_done && has_worked ? exit_code::kWell : code;
}

}  // namespace agent
