// SPDX-License-Identifier: Apache-2.0
// This machine as a host: the five steps of DESIGN.md §5 in this process, and the way back while a session is
// open.
#include "deployers/hosts/local.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "base/encoding.hpp"
#include "base/patience.hpp"
#include "base/process.hpp"
#include "deployers/hosts/places.hpp"
#include "deployers/hosts/replacement.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr base::Milliseconds kLockPoll{50};

/// Lines to one line, without what a terminal would obey.
std::string one_line(const std::string& text) {
    std::string line;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        if (end > at) line += (line.empty() ? "" : "; ") + text.substr(at, end - at);
        at = end + 1;
    }
    return base::printable(line, kOutputMax);
}

CommandReport run_command(const std::vector<std::string>& argv, const FindProgram& find_program,
                          base::Seconds deadline) {
    // As timeout(1) and sh(1) have them.
    constexpr int kTookTooLong = 124;
    constexpr int kNotFound = 127;
    constexpr int kSignalBase = 128;
    if (argv.empty()) return {};
    const auto not_run = [](const base::Error& why) {
        return CommandReport{.ran = true, .exit_code = kNotFound, .output = one_line(why.message)};
    };
    const auto program = find_program ? find_program(argv.front()) : base::Result<std::string>();
    if (!program) return not_run(program.error());
    const auto done = base::run({.argv = argv,
                                 .program = *program,
                                 .path = base::kSystemPath,
                                 .deadline = deadline,
                                 .may_leave_daemons = true,
                                 .output_max = kOutputMax});
    if (!done) return not_run(done.error());
    const int ended = done->signal != 0 ? kSignalBase + done->signal : std::max(done->exit_code, 0);
    return {.ran = true,
            .exit_code = done->timed_out ? kTookTooLong : ended,
            .output = one_line(done->out + "\n" + done->err)};
}

/// The locks' directory, made where it is missing.
base::Result<std::string> open_lock_directory(base::Files& files, const std::string& own) {
    const uid_t user = ::geteuid();
    std::string directory = lock_directory(user, own);
    const auto made = files.make_directory(directory, 0700);
    if (!made && made.error().code != Code::FileExists) return base::Failure(made.error());
    const base::FileInfo info = TRY(files.info(directory));
    if (info.kind != base::FileKind::Directory || info.uid != user) {
        return base::fail(Code::DeployUnsafePath, directory + " is not ours; locks cannot be kept there",
                          "remove it");
    }
    return directory;
}

/// Takes a lock, waiting up to `patience`. state/locked says with `what` what somebody else is doing.
base::Result<base::Lock> wait_for_lock(base::Files& files, const std::string& path,
                                       base::Milliseconds patience, std::string_view what) {
    base::SystemClock clock;
    auto lock =
        base::take_patiently(clock, patience, kLockPoll, [&] { return base::Lock::take(files, path); });
    if (lock || lock.error().code != Code::StateLocked) return lock;
    return base::Failure(std::move(lock).error().within(what));
}

class LocalSession final : public Session {
  public:
    LocalSession(base::Files& files, FindProgram find_program, std::string own_locks,
                 Installation installation)
        : files_(files),
          find_program_(std::move(find_program)),
          own_locks_(std::move(own_locks)),
          installation_(std::move(installation)),
          replacement_(files, installation_, ::geteuid()) {}

    ~LocalSession() override;
    LocalSession(const LocalSession&) = delete;
    LocalSession& operator=(const LocalSession&) = delete;

    /// Steps 0 to 5. deploy/unsafe-path, state/locked.
    base::Result<void> install();
    /// Steps 0 and 1.
    base::Result<InstallReport> rehearse();

    [[nodiscard]] const InstallReport& report() const override { return report_; }

    base::Result<InstallReport> reload() override;
    base::Result<InstallReport> restore() override;
    base::Result<InstallReport> commit() override;

  private:
    [[nodiscard]] base::Result<base::Lock> be_alone();
    base::Result<void> execute();
    base::Result<void> publish();
    base::Result<void> take_back();
    [[nodiscard]] base::Result<base::Lock> lock_service();

    [[nodiscard]] CommandReport run(const std::vector<std::string>& argv) const {
        return run_command(argv, find_program_, installation_.command_deadline);
    }

    [[nodiscard]] base::Result<void> require_open() const;
    void close();

    base::Files& files_;
    FindProgram find_program_;
    std::string own_locks_;
    Installation installation_;
    Replacement replacement_;
    std::optional<base::Lock> target_lock_{};
    InstallReport report_{};
    bool open_ = false;  // there is something to reload, to restore or to commit
};

LocalSession::~LocalSession() {
    // A test that kills renewd at some call throws through here; the dead do not tidy up.
    if (!open_ || std::uncaught_exceptions() != 0) return;
    (void)replacement_.forget();  // what is proven stays; left-overs are found by the next run
}

base::Result<base::Lock> LocalSession::lock_service() {
    // What is left of the deadline must do for the commands that follow: three tests and a reload at most.
    const base::Seconds rest = installation_.deadline - 4 * installation_.command_deadline;
    const std::string directory = TRY(open_lock_directory(files_, own_locks_));
    return wait_for_lock(files_, directory + "/" + service_lock_name(installation_.reload),
                         std::clamp(rest, base::Seconds{1}, kServiceLockPatience),
                         "another deployment to this service is under way");
}

base::Result<void> LocalSession::install() {
    TRY(check(installation_));
    auto done = execute();
    if (!open_) close();
    if (done) return done;
    const Code code = done.error().code;
    if (code == Code::DeployUnsafePath || code == Code::StateLocked) return done;
    report_.outcome = InstallOutcome::WriteFailed;
    report_.message = done.error().message;
    return {};
}

base::Result<InstallReport> LocalSession::rehearse() {
    TRY(check(installation_));
    const base::Lock service = TRY(be_alone());
    InstallReport report{.outcome = InstallOutcome::Unchanged, .test_before = run(installation_.test)};
    if (!report.test_before.ok()) report.outcome = InstallOutcome::ServiceBroken;
    return report;
}

/// Step 0: the target's lock until the session ends, the service's as long as the caller wants it.
base::Result<base::Lock> LocalSession::be_alone() {
    TRY(replacement_.check_host());
    const std::string directory = TRY(open_lock_directory(files_, own_locks_));
    target_lock_ =
        TRY(wait_for_lock(files_, directory + "/" + target_lock_name(work_directory(installation_)),
                          kTargetLockPatience, "another deployment to this target is under way"));
    return lock_service();
}

base::Result<void> LocalSession::execute() {
    const base::Lock service = TRY(be_alone());
    report_.interrupted_before = TRY(replacement_.recover());
    report_.test_before = run(installation_.test);
    const bool broken = !report_.test_before.ok();
    if (broken && !report_.interrupted_before && replacement_.holds_ours()) {
        report_.outcome = InstallOutcome::ServiceBroken;
        return {};
    }
    if (!replacement_.is_in_place()) {
        return publish();
    }
    if (broken) return take_back();  // the interrupted run had published all of it, untested
    report_.outcome = InstallOutcome::Unchanged;
    report_.reload = run(installation_.reload);
    open_ = true;
    return {};
}

base::Result<void> LocalSession::publish() {
    TRY(replacement_.publish());
    report_.test_after = run(installation_.test);
    if (!report_.test_after.ok()) {
        return take_back();
    }
    report_.outcome = InstallOutcome::Installed;
    report_.reload = run(installation_.reload);
    open_ = true;
    return {};
}

base::Result<void> LocalSession::take_back() {
    if (!report_.test_after.ran) report_.test_after = report_.test_before;
    if (const auto back = replacement_.put_back(); !back) {
        return base::fail(back.error().code,
                          "the new files did not pass the test (" + report_.test_after.output +
                              "), and what was there before could not be put back: " + back.error().message +
                              "; the next run tries again");
    }
    report_.outcome = InstallOutcome::TestFailed;
    if (const auto tidied = replacement_.tidy(); !tidied) report_.message = tidied.error().message;
    return {};
}

base::Result<void> LocalSession::require_open() const {
    if (open_) return {};
    return base::fail(Code::InternalUnexpected,
                      installation_.id + ": nothing is installed that could be acted on");
}

void LocalSession::close() {
    open_ = false;
    target_lock_.reset();
}

base::Result<InstallReport> LocalSession::reload() {
    TRY(require_open());
    const base::Lock service = TRY(lock_service());
    report_.reload = run(installation_.reload);
    return report_;
}

base::Result<InstallReport> LocalSession::restore() {
    TRY(require_open());
    // Whatever happens from here on, the way back is not forgotten before it has been gone: the journal stays
    // for the next run.
    open_ = false;
    const base::Lock service = TRY(lock_service());
    InstallReport answer{.interrupted_before = report_.interrupted_before};
    if (const auto back = replacement_.put_back(); !back) {
        answer.message = back.error().message + "; the next run tries again";
        close();
        return answer;
    }
    answer.outcome = InstallOutcome::Restored;
    if (const auto tidied = replacement_.tidy(); !tidied) answer.message = tidied.error().message;
    answer.test_after = run(installation_.test);
    // What does not pass its own test would not start again: a service that still runs is not stopped for it.
    const bool may_restart = answer.test_after.ok() && !installation_.restart.empty();
    answer.reload = run(may_restart ? installation_.restart : installation_.reload);
    close();
    return answer;
}

base::Result<InstallReport> LocalSession::commit() {
    TRY(require_open());
    const base::Lock service = TRY(lock_service());
    InstallReport answer{.outcome = InstallOutcome::Committed,
                         .interrupted_before = report_.interrupted_before};
    // What is served is served: that something could not be removed is told, and no failure.
    for (const auto& removed : {replacement_.forget(), replacement_.prune()}) {
        if (!removed && answer.message.empty()) answer.message = removed.error().message;
    }
    close();
    return answer;
}

class LocalHost final : public Host {
  public:
    LocalHost(base::Files& files, FindProgram find_program, std::string own_locks)
        : files_(files), find_program_(std::move(find_program)), own_locks_(std::move(own_locks)) {}

    base::Result<std::vector<FileDigest>> inspect(const Installation& installation) override {
        std::vector<FileDigest> digests;
        for (const FilePlan& file : installation.published) {
            const auto content = base::read_file(files_, file.path, kFileMax);
            if (content) digests.push_back({.path = file.path, .sha256 = base::sha256_hex(*content)});
        }
        return digests;
    }

    base::Result<InstallReport> rehearse(const Installation& installation) override {
        return LocalSession(files_, find_program_, own_locks_, installation).rehearse();
    }

    base::Result<std::unique_ptr<Session>> install(const Installation& installation) override {
        auto session = std::make_unique<LocalSession>(files_, find_program_, own_locks_, installation);
        TRY(session->install());
        return session;
    }

  private:
    base::Files& files_;
    FindProgram find_program_;
    std::string own_locks_;
};

}  // namespace

std::unique_ptr<Host> make_local_host(base::Files& files, FindProgram find_program, std::string own_locks) {
    return std::make_unique<LocalHost>(files, std::move(find_program), std::move(own_locks));
}

}  // namespace deployers
