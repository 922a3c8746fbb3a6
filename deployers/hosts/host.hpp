// SPDX-License-Identifier: Apache-2.0
// Where an installation is executed: this machine, or a machine over SSH. Both do the same, with the same
// guarantees, and answer the same way (DESIGN.md §5); tests/unit/deployers/host_conformance.hpp holds them to
// it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// A command of the installation, as it went. `ran` is false where there was none to run.
struct CommandReport {
    bool ran = false;
    int exit_code = 0;     // 124 where it took too long
    std::string output{};  // both streams, bounded, printable

    [[nodiscard]] bool ok() const { return !ran || exit_code == 0; }
};

enum class InstallOutcome {
    Installed,      // new files are published, tested, and a reload was sent
    Unchanged,      // they were there already; tested, and a reload was sent
    ServiceBroken,  // the service's own test fails without us: nothing was touched
    TestFailed,     // the new files did not pass the test: what was there before is back, no reload was sent
    WriteFailed,    // could not be written: what was there before is still there
    Restored,       // answer to restore()
    Committed,      // answer to commit()
};

struct InstallReport {
    InstallOutcome outcome = InstallOutcome::WriteFailed;
    CommandReport test_before{}, test_after{}, reload{};  // reload: or the restart
    // Of WriteFailed: path and cause. Of TestFailed, Restored and Committed: what could not be tidied up.
    std::string message{};
    bool interrupted_before = false;  // an earlier run was cut off here, and has been cleared up
};

/// The executor's one-line JSON answer, the same from every host.
[[nodiscard]] std::string to_json(const InstallReport& report);
[[nodiscard]] base::Result<InstallReport> parse_report(std::string_view json);

/// An installation that has been made and still can be taken back. When it goes without commit() or
/// restore(), what is proven stays. Each call blocks up to the installation's command_deadline for each
/// command it runs.
class Session {
  public:
    virtual ~Session() = default;
    [[nodiscard]] virtual const InstallReport& report() const = 0;
    /// Sends the reload again; writes nothing.
    [[nodiscard]] virtual base::Result<InstallReport> reload() = 0;
    /// Puts back what was there before (also "nothing"), tests it, then restarts; without a restart command,
    /// or where the test fails, it reloads. WriteFailed, or an error, where a file cannot be put back: what
    /// was saved is kept, and the next install() goes on with it.
    [[nodiscard]] virtual base::Result<InstallReport> restore() = 0;
    /// Forgets what was there before, and removes versions that are not kept.
    [[nodiscard]] virtual base::Result<InstallReport> commit() = 0;
};

class Host {
  public:
    virtual ~Host() = default;
    /// What the installation's published files hold now (a missing file is left out). Touches nothing.
    [[nodiscard]] virtual base::Result<std::vector<FileDigest>> inspect(const Installation& installation) = 0;
    /// Runs the service's own test with what is there, alone with the service as install() would be, and
    /// writes none of the files: Unchanged where it passes, ServiceBroken where it does not. Errors as those
    /// of install().
    [[nodiscard]] virtual base::Result<InstallReport> rehearse(const Installation& installation) = 0;
    /// Steps 1 to 5 of DESIGN.md §5. Errors are those of getting there (host/…); deploy/outcome-unknown if
    /// the connection was lost after the installation had been handed over: inspect() before anything is
    /// repeated.
    [[nodiscard]] virtual base::Result<std::unique_ptr<Session>> install(
        const Installation& installation) = 0;
};

}  // namespace deployers
