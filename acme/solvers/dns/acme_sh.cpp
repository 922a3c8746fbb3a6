// SPDX-License-Identifier: Apache-2.0
// The scripts of acme.sh's dnsapi/, unchanged, with the acme.sh they came with around them: a script counts
// on dozens of its helpers (_get, _post, _readaccountconf_mutable…), and only the originals are right for it.
//
// Each call is a shell of its own, with an environment of our making. What a script saves, it saves where it
// always does, in account.conf of `config_home` (acme.sh's --config-home; default: `home`): some have to, as
// a refresh token may be good for one use only. So what it is given by `environment` is afterwards in that
// file, too; a `config_home` of its own keeps acme.sh's installation untouched. Everything else that acme.sh
// would leave in its home (HTTP headers, a certificate's settings, CAs) goes to a directory that is
// removed at the end.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "acme/solvers/dns/program.hpp"
#include "acme/solvers/dns/program_kinds.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"

namespace acme {

using base::Code;
using base::Result;

namespace {

// $0 is acme.sh; $1 ":", $2 the script, $3 the function, $4 and $5 what it is given. acme.sh ends with
// `main "$@"`, which runs the function that $1 names: ":" does nothing, and leaves everything defined.
// _initpath is what acme.sh itself calls before a script; it reads account.conf. A config_home that is not
// there yet is made, as acme.sh would: without it a script succeeds, and what it saves is lost unseen. It is
// locked, as account.conf is emptied and written anew for each value, and another renewd may be at work.
constexpr const char* kDriver = R"(renewd_scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$renewd_scratch"' EXIT
trap 'exit 143' HUP INT TERM
HTTP_HEADER=$renewd_scratch/http.header
DOMAIN_CONF=$renewd_scratch/domain.conf
CA_HOME=$renewd_scratch/ca
LE_TEMP_DIR=$renewd_scratch
TMPDIR=$renewd_scratch
export TMPDIR
mkdir -p -m 700 "$LE_CONFIG_HOME" || exit 1
if [ -r "$LE_CONFIG_HOME" ] && command -v flock >/dev/null; then
  exec 9<"$LE_CONFIG_HOME"
  flock 9
fi
. "$0"
_initpath
. "$2"
command -v "$3" >/dev/null || { echo "$2 has no function $3" >&2; exit 1; }
"$3" "$4" "$5"
)";

bool is_hook_name(std::string_view name) {
    const auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    return name.starts_with("dns_") && name.size() <= 64 && std::ranges::all_of(name, is_allowed);
}

/// One script at a time, whatever its solver: waiting for the directory's lock counts as a script's own time.
std::shared_ptr<std::mutex> one_at_a_time() {
    static const auto turn = std::make_shared<std::mutex>();
    return turn;
}

std::string text_of(const ProviderSettings& settings, const std::string& key) {
    const auto found = settings.texts.find(key);
    return found == settings.texts.end() ? std::string() : found->second;
}

class AcmeSh final : public DnsProvider {
  public:
    AcmeSh(const ProviderSettings& settings, base::Seconds patience)
        : runner_(settings, patience, one_at_a_time()),
          hook_(text_of(settings, "hook")),
          home_(text_of(settings, "home")),
          config_home_(text_of(settings, "config_home")),
          script_(text_of(settings, "script")) {
        if (config_home_.empty()) config_home_ = home_;
    }

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(run("_add", record));
        return base::Seconds(0);
    }

    Result<void> clean_up(const TxtRecord& record) override { return run("_rm", record); }

  private:
    Result<void> run(const char* action, const TxtRecord& record) {
        TRY(check_record(record));
        const std::string acme_sh = home_ + "/acme.sh";
        if (::access(acme_sh.c_str(), R_OK) != 0) return unreadable(acme_sh, errno);
        const std::string script = TRY(find_script());
        std::string name = record.name;  // acme.sh has no final dot
        while (name.ends_with('.')) name.pop_back();
        static_cast<void>(TRY(
            runner_.run({"sh", "-c", kDriver, acme_sh, ":", script, hook_ + action, name, record.value},
                        {{"LE_WORKING_DIR", home_}, {"LE_CONFIG_HOME", config_home_}, {"NO_TIMESTAMP", "1"}},
                        hook_ + action)));
        return {};
    }

    [[nodiscard]] base::Failure unreadable(const std::string& acme_sh, int number) const {
        const std::string solver = "solver " + runner_.settings().solver + ": ";
        if (number == ENOENT || number == ENOTDIR) {
            return base::fail(Code::ProcessNotStarted, solver + "there is no acme.sh in " + home_,
                              "home is the directory acme.sh was installed to, normally /root/.acme.sh");
        }
        return base::fail(
            Code::ProcessNotStarted,
            solver + acme_sh + " cannot be read: " + std::generic_category().message(number),
            "the user renewd runs as must be able to read home and all in it, and to write config_home");
    }

    /// Where acme.sh looks: what came with it, then what the user put beside it.
    [[nodiscard]] Result<std::string> find_script() const {
        if (!script_.empty()) return script_;
        for (const char* place : {"/dnsapi/", "/"}) {
            std::string path = home_ + place + hook_ + ".sh";
            if (::access(path.c_str(), R_OK) == 0) return path;
        }
        return base::fail(Code::ProcessNotStarted,
                          "solver " + runner_.settings().solver + ": there is no " + hook_ + ".sh in " +
                              home_ + "/dnsapi or " + home_,
                          "ls " + home_ + "/dnsapi shows what there is; hook is such a name without .sh");
    }

    ProgramRunner runner_;
    std::string hook_;
    std::string home_;
    std::string config_home_;
    std::string script_;
};

Result<std::unique_ptr<DnsProvider>> make(const ProviderSettings& settings, const ProviderEffects&) {
    const std::string hook = text_of(settings, "hook");
    if (!is_hook_name(hook)) {
        return base::fail(Code::ConfigWrongValue,
                          "solver " + settings.solver + ": hook = \"" + base::printable(hook, 80) +
                              "\" is no name of a script of acme.sh",
                          "\"dns_cf\" for dnsapi/dns_cf.sh: letters, digits and _");
    }
    for (const char* key : {"home", "config_home", "script"}) {
        const std::string path = text_of(settings, key);
        if (path.empty() && std::string_view(key) != "home") continue;
        // acme.sh refuses a home with spaces itself; `.` would look for a relative script in PATH.
        if (path.starts_with('/') && path.find_first_of(" \t\r\n") == std::string::npos) continue;
        return base::fail(Code::ConfigWrongValue,
                          "solver " + settings.solver + ": " + key + " = \"" + base::printable(path, 80) +
                              "\" is no absolute path without spaces",
                          std::string(key) + " = \"/root/.acme.sh\"");
    }
    return std::make_unique<AcmeSh>(settings, TRY(timeout_of(settings)));
}

}  // namespace

ProviderKind acme_sh_kind() {
    using Kind = ProviderKey::Kind;
    return {.name = "acme.sh",
            .keys = {{.name = "hook",
                      .kind = Kind::Text,
                      .is_required = true,
                      .meaning = "the script, as for acme.sh's --dns: \"dns_cf\""},
                     {.name = "home",
                      .kind = Kind::Path,
                      .is_required = true,
                      .meaning = "the directory acme.sh was installed to, \"/root/.acme.sh\""},
                     {.name = "config_home",
                      .kind = Kind::Path,
                      .meaning =
                          "where scripts read and save credentials (account.conf), acme.sh's --config-home"},
                     {.name = "script",
                      .kind = Kind::Path,
                      .meaning = "the script's file, where it is not in home's dnsapi"},
                     timeout_key()},
            .make = make};
}

}  // namespace acme
