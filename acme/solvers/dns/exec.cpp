// SPDX-License-Identifier: Apache-2.0
// lego's exec protocol (providers/dns/exec of its version 5; the `timeout` action of older ones is gone).
#include <utility>

#include "acme/solvers/dns/program.hpp"
#include "acme/solvers/dns/program_kinds.hpp"
#include "base/encoding.hpp"

namespace acme {

using base::Result;

namespace {

class Exec final : public DnsProvider {
  public:
    Exec(const ProviderSettings& settings, base::Seconds patience, bool is_raw)
        : runner_(settings, patience), program_(program_of(settings, "program")), is_raw_(is_raw) {}

    /// Raw: lego hands out the domain and leaves the name of the record to the program.
    [[nodiscard]] bool takes_names_as_asked() const override { return is_raw_; }

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(run("present", record));
        return base::Seconds(0);
    }

    Result<void> clean_up(const TxtRecord& record) override { return run("cleanup", record); }

  private:
    Result<void> run(const char* action, const TxtRecord& record) {
        std::vector<std::string> argv = program_;
        argv.emplace_back(action);
        TRY(check_record(record));
        if (is_raw_) {
            TRY(check_task(record));
            argv.insert(argv.end(),
                        {"--", domain_of(record), record.task.token, record.task.key_authorization});
        } else {
            argv.insert(argv.end(), {record.name, record.value});
        }
        static_cast<void>(TRY(runner_.run(argv)));
        return {};
    }

    ProgramRunner runner_;
    std::vector<std::string> program_;
    bool is_raw_;
};

Result<std::unique_ptr<DnsProvider>> make(const ProviderSettings& settings, const ProviderEffects&) {
    const auto found = settings.texts.find("mode");
    const std::string mode = found == settings.texts.end() ? "default" : found->second;
    // lego's own spelling is RAW.
    const bool is_raw = mode == "raw" || mode == "RAW";
    if (!is_raw && mode != "default" && !mode.empty()) {
        return base::fail(
            base::Code::ConfigWrongValue,
            "solver " + settings.solver + ": mode = \"" + base::printable(mode, 40) + "\" is unknown",
            R"(mode is "default" or "raw")");
    }
    return std::make_unique<Exec>(settings, TRY(timeout_of(settings)), is_raw);
}

}  // namespace

ProviderKind exec_kind() {
    using Kind = ProviderKey::Kind;
    return {
        .name = "exec",
        .keys = {{.name = "program",
                  .kind = Kind::Argv,
                  .is_required = true,
                  .meaning = "the program, as for lego's EXEC_PATH"},
                 {.name = "mode", .kind = Kind::Text, .meaning = R"("default" or "raw", lego's EXEC_MODE)"},
                 timeout_key()},
        .make = make};
}

}  // namespace acme
