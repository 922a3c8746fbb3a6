// SPDX-License-Identifier: Apache-2.0
// The programs of certbot's --manual-auth-hook and --manual-cleanup-hook (certbot's using.rst, "Pre and Post
// Validation Hooks"). They are told one challenge at a time here, so each is the last there is:
// CERTBOT_REMAINING_CHALLENGES is 0, and hooks that act on all at the last act on each.
#include <map>
#include <mutex>
#include <utility>

#include "acme/solvers/dns/program.hpp"
#include "acme/solvers/dns/program_kinds.hpp"
#include "base/text.hpp"

namespace acme {

using base::Result;

namespace {

/// Outputs remembered. One stays until its cleanup has gone well, which may be never.
constexpr std::size_t kPrintedMax = 1000;

std::map<std::string, std::string> environment_for(const TxtRecord& record) {
    const std::string domain = domain_of(record);
    return {{"CERTBOT_DOMAIN", domain},           {"CERTBOT_IDENTIFIER", domain},
            {"CERTBOT_VALIDATION", record.value}, {"CERTBOT_ALL_DOMAINS", domain},
            {"CERTBOT_ALL_IDENTIFIERS", domain},  {"CERTBOT_REMAINING_CHALLENGES", "0"}};
}

class CertbotHooks final : public DnsProvider {
  public:
    CertbotHooks(const ProviderSettings& settings, base::Seconds patience)
        : runner_(settings, patience),
          auth_(program_of(settings, "auth")),
          cleanup_(program_of(settings, "cleanup")) {}

    [[nodiscard]] bool takes_names_as_asked() const override { return true; }

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(check(record));
        const base::Completed completed = TRY(runner_.run(auth_, environment_for(record)));
        if (cleanup_.empty()) return base::Seconds(0);
        const std::scoped_lock lock(mutex_);
        if (printed_.size() >= kPrintedMax) printed_.erase(printed_.begin());
        // As certbot does it, which hands what auth has printed to cleanup without the white space around.
        printed_[key_of(record)] = base::trimmed(completed.out, " \t\r\n\v\f");
        return base::Seconds(0);
    }

    Result<void> clean_up(const TxtRecord& record) override {
        if (cleanup_.empty()) return {};
        TRY(check(record));
        auto environment = environment_for(record);
        environment["CERTBOT_AUTH_OUTPUT"] = printed_for(record);
        static_cast<void>(TRY(runner_.run(cleanup_, environment)));
        const std::scoped_lock lock(mutex_);
        printed_.erase(key_of(record));
        return {};
    }

  private:
    using Key = std::pair<std::string, std::string>;

    static Key key_of(const TxtRecord& record) { return {domain_of(record), record.value}; }

    static Result<void> check(const TxtRecord& record) {
        TRY(check_record(record));
        return check_task(record);
    }

    /// Empty for what an earlier run has presented.
    std::string printed_for(const TxtRecord& record) const {
        const std::scoped_lock lock(mutex_);
        const auto found = printed_.find(key_of(record));
        return found == printed_.end() ? std::string() : found->second;
    }

    ProgramRunner runner_;
    std::vector<std::string> auth_;
    std::vector<std::string> cleanup_;
    mutable std::mutex mutex_{};
    std::map<Key, std::string> printed_{};
};

Result<std::unique_ptr<DnsProvider>> make(const ProviderSettings& settings, const ProviderEffects&) {
    return std::make_unique<CertbotHooks>(settings, TRY(timeout_of(settings)));
}

}  // namespace

ProviderKind certbot_hooks_kind() {
    using Kind = ProviderKey::Kind;
    return {.name = "certbot-hooks",
            .keys = {{.name = "auth",
                      .kind = Kind::Argv,
                      .is_required = true,
                      .meaning = "the program of certbot's --manual-auth-hook"},
                     {.name = "cleanup",
                      .kind = Kind::Argv,
                      .meaning = "the program of certbot's --manual-cleanup-hook"},
                     timeout_key()},
            .make = make};
}

}  // namespace acme
