// SPDX-License-Identifier: Apache-2.0
// What providers that run somebody's program have in common. Scripts written for other clients count on being
// run one at a time (lego, certbot, acme.sh and dehydrated do so), and so they are here, per solver.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/solvers/dns/provider.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/process.hpp"

namespace acme {

/// How long a program may take where [solver.X] does not say: lego's and certbot's scripts often wait for
/// their record to be seen.
inline constexpr base::Seconds kProgramPatience{120};

/// The key "timeout" that all of them take.
[[nodiscard]] ProviderKey timeout_key();
/// What it says, or kProgramPatience. config/wrong-value.
[[nodiscard]] base::Result<base::Seconds> timeout_of(const ProviderSettings& settings);
/// "90s", "15m" or "1h", up to an hour; nothing for anything else. Pure.
[[nodiscard]] std::optional<base::Seconds> parse_wait(std::string_view text);

/// The program under `key` with its first arguments, whether written as a list or as one path; empty where it
/// is not given.
[[nodiscard]] std::vector<std::string> program_of(const ProviderSettings& settings, const std::string& key);

/// The record's name and value are what a program may be given: dns/failed for a name that is not made of
/// a-z, 0-9, "-", "_" and ".", or that would be taken for an option; ca/protocol for a value that is not 43
/// characters of base64url (RFC 8555 §8.4). Checked where they come in, too; here nothing gets past.
[[nodiscard]] base::Result<void> check_record(const TxtRecord& record);
/// The same for the identifier, the token and the key authorization (RFC 8555 §8.1): ca/protocol. For
/// programs that make the record's name of the identifier themselves; config/conflict where theirs would be
/// another than the record's (dns-account-01 has a label of its own).
[[nodiscard]] base::Result<void> check_task(const TxtRecord& record);
/// The identifier as other clients hand it to programs: the one that is authorized, without "*.".
[[nodiscard]] std::string domain_of(const TxtRecord& record);

/// Runs one solver's programs. Thread safe.
class ProgramRunner {
  public:
    /// `turn`: shared by those that must not run at the same time; by default this runner's own.
    ProgramRunner(ProviderSettings settings, base::Seconds patience,
                  std::shared_ptr<std::mutex> turn = std::make_shared<std::mutex>());

    /// Runs to the end, with the solver's environment, its secrets read now, and `more` on top of it. Blocks
    /// until the others have had their turn, and then up to `patience` + 2 s. provider/failed: it ended badly
    /// or took too long, with the last it said and without any secret of its environment.
    /// process/not-started, config/secret-….
    /// `what` is what messages call it; by default the program's name.
    [[nodiscard]] base::Result<base::Completed> run(const std::vector<std::string>& argv,
                                                    const std::map<std::string, std::string>& more = {},
                                                    const std::string& what = {});

    /// The solver's environment, secrets included.
    [[nodiscard]] base::Result<std::map<std::string, std::string>> environment() const;

    [[nodiscard]] const ProviderSettings& settings() const { return settings_; }

    [[nodiscard]] base::Seconds patience() const { return patience_; }

    [[nodiscard]] std::mutex& turn() { return *turn_; }

    /// The text with every secret of `environment` blotted out, and every line of one that has several. To be
    /// called before the text is cut: half of a secret is not found any more.
    [[nodiscard]] std::string without_secrets(std::string text,
                                              const std::map<std::string, std::string>& environment) const;

  private:
    ProviderSettings settings_;
    base::Seconds patience_;
    std::shared_ptr<std::mutex> turn_;
};

}  // namespace acme
