// SPDX-License-Identifier: Apache-2.0
// The agent: sleeps until something is due, has it done, and listens meanwhile. One thread decides; the work
// on certificates runs on a crew, each certificate by itself, so that none waits for another's trouble.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/config/catalogue.hpp"
#include "agent/memory/agent_note.hpp"
#include "agent/memory/index.hpp"
#include "agent/plan/agenda.hpp"
#include "agent/work/metrics_keeper.hpp"
#include "agent/work/pass.hpp"
#include "agent/work/surroundings.hpp"
#include "base/crew.hpp"
#include "base/service_manager.hpp"
#include "base/wakeup.hpp"

namespace agent {

class ControlSocket;

/// A configuration that may come into force.
struct Accepted {
    Catalogue catalogue;
    std::string error{};  // why the files are not this; empty: they are
    std::optional<base::Instant> accepted_at{};
    bool is_new = false;  // not the one that was accepted last
};

/// What a loop works with, borrowed for as long as it lives.
struct LoopParts {
    Store& store;
    base::Files& files;
    base::Transport& transport;
    base::Clock& clock;
    Progress& progress;
    spdlog::logger& log;
    base::Wakeup& wakeup;  // receives SIGHUP, SIGTERM and SIGINT
    const base::ServiceManager& manager;
    /// Reads the configuration anew; all that is wrong with it.
    std::function<tl::expected<Accepted, std::vector<base::Error>>()> read_again;
};

class Loop {
  public:
    Loop(LoopParts parts, Accepted accepted, const ControlSocket& control);

    /// Until SIGTERM or SIGINT, which it returns. What is being worked on then gets a few seconds to come to
    /// an end; what does not is resumed by the next run, as after any other end.
    [[nodiscard]] int run();

    /// How many certificates are being worked on. For the thread of run().
    [[nodiscard]] std::size_t at_work() const { return jobs_.size(); }

  private:
    /// A configuration in force. Work that began under it ends under it.
    struct Epoch {
        explicit Epoch(Catalogue the_catalogue) : catalogue(std::move(the_catalogue)) {}

        Catalogue catalogue;
        std::unique_ptr<Surroundings> surroundings{};
        std::shared_ptr<MetricsKeeper> metrics{};  // nullptr: nobody wants any
    };

    struct Job {
        std::shared_ptr<Epoch> epoch{};
        base::Steady begun{};
        bool only_judges = false;  // whether there is anything to do
        bool is_mended = false;    // and so tries again what waits for a person
        bool is_told = false;      // that it takes long
    };

    /// What a thread of the crew is given.
    struct Task {
        std::shared_ptr<const Epoch> epoch{};
        std::string certificate{};
        PassOptions options{};
        Turns::Turn turn{};  // that it was called up with
        bool only_judges = false;
    };

    void enter(Accepted accepted);
    void plan_start(bool tries_again);
    void plan_anew(const Catalogue& before);
    [[nodiscard]] CertificateOutcome work_on(Task task) const;

    [[nodiscard]] const AgentConfig& settings() const { return epoch_->catalogue.ground().agent; }

    void keep_metrics(const Epoch* before);
    void metrics_have_changed();
    [[nodiscard]] CertificateOutcome show_metrics(const Epoch& epoch) const;
    void reload();
    void begin_what_is_due();
    [[nodiscard]] bool waits_for_an_earlier_epoch();
    void begin(const Due& due);
    void take_back(const CertificateOutcome& outcome);
    [[nodiscard]] base::Instant after_error(const CertificateOutcome& outcome, base::Instant now);
    void take_back_finished();
    void hear();
    void keep_index(bool now);
    void plan_again_after_a_jump();
    void feed_watchdog();
    void note_store(const CertificateOutcome& outcome);
    void tell_state();
    [[nodiscard]] std::string state_words() const;
    void stop(base::Milliseconds patience);
    [[nodiscard]] std::optional<base::Instant> next_wake() const;
    [[nodiscard]] std::optional<base::Milliseconds> next_beat() const;

    LoopParts parts_;
    const ControlSocket& control_;
    IndexFile index_file_;
    std::shared_ptr<Sessions> sessions_;  // of all epochs
    std::shared_ptr<Turns> turns_;        // of all epochs: a service is reloaded by one at a time
    std::shared_ptr<Epoch> epoch_;
    AgentNote note_;
    Agenda agenda_;
    std::set<std::string, std::less<>> mended_;  // to be tried again, whatever they wait for
    std::map<std::string, Job> jobs_;
    std::map<std::string, Failure> bugs_;  // of certificates whose work has thrown something
    std::optional<base::Steady> reloaded_at_;
    std::size_t unsaved_ = 0;  // changes that the index on disk does not have
    base::Steady saved_at_{};
    base::Instant metrics_not_before_{};
    std::map<std::string, std::string> let_down_;  // certificates, by the state: in which words
    std::atomic<bool> config_ok_ = true;           // read by the crew
    std::atomic<bool> store_ok_ = true;            // the same
    base::Seconds clock_offset_{};                 // of the wall clock from the boot clock
    std::mutex finished_mutex_;
    std::vector<CertificateOutcome> finished_;  // by the crew, for this thread
    base::Crew crew_;                           // the last member: its threads end before what they use
};

}  // namespace agent
