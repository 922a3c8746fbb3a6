// SPDX-License-Identifier: Apache-2.0
// dehydrated's HOOK for dns-01 (its docs/examples/hook.sh). HOOK_CHAIN needs no key: a chain of one challenge
// is the same call.
#include <utility>

#include "acme/solvers/dns/program.hpp"
#include "acme/solvers/dns/program_kinds.hpp"

namespace acme {

using base::Result;

namespace {

class Dehydrated final : public DnsProvider {
  public:
    Dehydrated(const ProviderSettings& settings, base::Seconds patience)
        : runner_(settings, patience), hook_(program_of(settings, "hook")) {}

    [[nodiscard]] bool takes_names_as_asked() const override { return true; }

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(run("deploy_challenge", record));
        return base::Seconds(0);
    }

    Result<void> clean_up(const TxtRecord& record) override { return run("clean_challenge", record); }

  private:
    Result<void> run(const char* stage, const TxtRecord& record) {
        TRY(check_record(record));
        TRY(check_task(record));
        std::vector<std::string> argv = hook_;
        argv.insert(argv.end(), {stage, domain_of(record), record.task.token, record.value});
        static_cast<void>(TRY(runner_.run(argv)));
        return {};
    }

    ProgramRunner runner_;
    std::vector<std::string> hook_;
};

Result<std::unique_ptr<DnsProvider>> make(const ProviderSettings& settings, const ProviderEffects&) {
    return std::make_unique<Dehydrated>(settings, TRY(timeout_of(settings)));
}

}  // namespace

ProviderKind dehydrated_kind() {
    return {.name = "dehydrated",
            .keys = {{.name = "hook",
                      .kind = ProviderKey::Kind::Argv,
                      .is_required = true,
                      .meaning = "the program, as for dehydrated's HOOK"},
                     timeout_key()},
            .make = make};
}

}  // namespace acme
