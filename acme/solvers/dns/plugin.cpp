// SPDX-License-Identifier: Apache-2.0
// A plugin as DNS provider: `renewd-dns-NAME`, asked for "present" and "cleanup". It is looked for at each
// call, so that one installed or replaced meanwhile counts at once, and is judged again.
#include "hooks/plugin.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "acme/solvers/dns/program.hpp"
#include "acme/solvers/dns/program_kinds.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"

namespace acme {

using base::Result;
using nlohmann::json;

namespace {

class PluginProvider final : public DnsProvider {
  public:
    PluginProvider(const ProviderSettings& settings, base::Seconds patience,
                   std::vector<std::string> directories)
        : runner_(settings, patience),
          name_(settings.texts.at("name")),
          directories_(std::move(directories)) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        const json reply = json::parse(TRY(ask("present", record)), nullptr, /*allow_exceptions=*/false);
        if (!reply.contains("wait")) return base::Seconds(0);
        const auto wait =
            reply.at("wait").is_string() ? parse_wait(reply.at("wait").get<std::string>()) : std::nullopt;
        if (wait) return *wait;
        return base::fail(base::Code::ProviderProtocol,
                          "plugin renewd-dns-" + name_ + ": \"wait\" in its answer is no duration",
                          R"("30s", "5m", up to "1h")");
    }

    Result<void> clean_up(const TxtRecord& record) override {
        static_cast<void>(TRY(ask("cleanup", record)));
        return {};
    }

  private:
    Result<std::string> ask(const char* op, const TxtRecord& record) {
        TRY(check_record(record));
        const std::scoped_lock lock(runner_.turn());
        base::SystemFiles files;
        hooks::PluginCall call{.program = TRY(hooks::find_plugin(files, directories_, "dns", name_)),
                               .op = op,
                               .patience = runner_.patience(),
                               .environment = TRY(runner_.environment())};
        call.blot = [&](std::string text) {
            return runner_.without_secrets(std::move(text), call.environment);
        };
        auto answer = hooks::ask_plugin(
            call,
            json{{"fqdn", record.name}, {"value", record.value}, {"zone", record.zone}, {"ttl", record.ttl}});
        if (answer) return std::move(answer->reply);
        return tl::make_unexpected(std::move(answer).error().within("solver " + runner_.settings().solver));
    }

    ProgramRunner runner_;
    std::string name_;
    std::vector<std::string> directories_;
};

Result<std::unique_ptr<DnsProvider>> make(const ProviderSettings& settings, const ProviderEffects& effects) {
    return std::make_unique<PluginProvider>(settings, TRY(timeout_of(settings)),
                                            hooks::plugin_directories(effects.plugin_path));
}

}  // namespace

ProviderKind plugin_kind() {
    return {.name = "plugin",
            .keys = {{.name = "name",
                      .kind = ProviderKey::Kind::Text,
                      .is_required = true,
                      .meaning = "NAME of the program renewd-dns-NAME in a directory of plugins"},
                     timeout_key()},
            .make = make};
}

}  // namespace acme
