// SPDX-License-Identifier: Apache-2.0
// acme.sh is not in Debian. What stands in for it here does what its callers and scripts can count on: it
// ends in `main "$@"`, which runs the function its first argument names; _initpath finds the configuration;
// and the helpers of its DNS API development guide are there. Like the original it writes account.conf in
// place, goes on when that cannot be done, makes no directory, and keeps the log that account.conf asks for.
// With ACME_SH_HOME, the directory of an installation, the same is asked of the original.
#include <algorithm>
#include <cstdlib>
#include <ostream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/file.hpp"
#include "tests/unit/acme/dns/programs.hpp"

using programs::code_of;
using programs::has;
using programs::kValue;
using programs::message_of;
using programs::record;
using programs::Stage;

namespace {

constexpr const char* kAcmeSh = R"SH(
_SCRIPT_="$0"
DEFAULT_INSTALL_HOME="$HOME/.acme.sh"
_startswith() { echo "$1" | grep -- "^$2" >/dev/null 2>&1; }
_exists() { type "$1" >/dev/null 2>&1; }
_say() { [ "$NO_TIMESTAMP" ] || printf '%s' "[$(date)] "; printf '%s\n' "$1"; }
_log() { [ -z "$LOG_FILE" ] || _say "$1" >> "$LOG_FILE"; }
_info() { _log "$1"; _say "$1"; }
_err() { _log "$1"; _say "$1" >&2; return 1; }
_debug() { _log "$1"; }
_mktemp() { mktemp; }
_inithttp() { touch "$HTTP_HEADER"; }
_save() {
  [ -f "$1" ] || { touch "$1"; chmod 600 "$1"; }
  rest=$(grep -v "^$2=" "$1")
  { [ -z "$rest" ] || printf '%s\n' "$rest"; printf '%s\n' "$2='$3'"; } > "$1"
}
_read() { [ ! -f "$1" ] || ( eval "$(grep "^$2=" "$1")"; eval "printf %s \"\$$2\"" ); }
_saveaccountconf_mutable() { _save "$ACCOUNT_CONF_PATH" "SAVED_$1" "$2"; }
_readaccountconf_mutable() { _read "$ACCOUNT_CONF_PATH" "SAVED_$1"; }
_savedomainconf() { _save "$DOMAIN_CONF" "$1" "$2"; }
_initpath() {
  [ "$LE_WORKING_DIR" ] || LE_WORKING_DIR=$DEFAULT_INSTALL_HOME
  [ "$LE_CONFIG_HOME" ] || LE_CONFIG_HOME=$LE_WORKING_DIR
  ACCOUNT_CONF_PATH=$LE_CONFIG_HOME/account.conf
  if [ -f "$ACCOUNT_CONF_PATH" ]; then . "$ACCOUNT_CONF_PATH"; fi
  [ "$HTTP_HEADER" ] || HTTP_HEADER=$LE_CONFIG_HOME/http.header
}
showhelp() { echo 'Usage: acme.sh <command>'; }
_process() { _err "a command was run: $*"; exit 9; }
main() {
  [ -z "$1" ] && showhelp && return
  if _startswith "$1" '-'; then _process "$@"; else "$@"; fi
}
main "$@"
)SH";

/// In the form of the scripts in dnsapi/.
constexpr const char* kScript = R"SH(
dns_mine_add() {
  fulldomain=$1
  txtvalue=$2
  MINE_Token="${MINE_Token:-$(_readaccountconf_mutable MINE_Token)}"
  if [ -z "$MINE_Token" ]; then
    _err "You didn't specify a token."
    return 1
  fi
  _saveaccountconf_mutable MINE_Token "$MINE_Token"
  _savedomainconf MINE_Zone "example.com"
  _info "Adding record"
  export _H1="Authorization: $MINE_Token"
  mine_post "add $fulldomain $txtvalue"
}

dns_mine_rm() {
  fulldomain=$1
  txtvalue=$2
  export _H1="-"
  mine_post "rm $fulldomain $txtvalue"
}

mine_post() {
  _inithttp
  _mktemp >/dev/null
  printf '%s\n' "$1" "$HTTP_HEADER" "$_H1" >> "$TEST_LOG"
}
)SH";

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string acme_sh_text() {
    const char* const original = std::getenv("ACME_SH_HOME");  // NOLINT(concurrency-mt-unsafe)
    return original == nullptr ? kAcmeSh : text_of(std::string(original) + "/acme.sh");
}

/// An acme.sh as installed, and a solver that uses it.
class Installation {
  public:
    Installation() {
        static_cast<void>(stage.add("home/acme.sh", acme_sh_text()));
        static_cast<void>(stage.add("home/dnsapi/dns_mine.sh", kScript));
        settings.solver = "dns";
        settings.texts = {{"hook", "dns_mine"}, {"home", stage / "home"}, {"timeout", "10s"}};
        settings.environment = {{"TEST_LOG", stage / "log"}};
    }

    [[nodiscard]] std::unique_ptr<acme::DnsProvider> make() const {
        return stage.make(acme::acme_sh_kind(), settings).value();
    }

    /// Every file in `place`, by its path there.
    [[nodiscard]] std::set<std::string> files_in(const std::string& place) const {
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(stage / place))
            if (!entry.is_directory()) names.insert(entry.path().lexically_relative(stage / place).string());
        return names;
    }

    /// Line `number` of what the script has posted.
    [[nodiscard]] std::string posted(std::size_t number) const {
        std::ifstream log(stage / "log");
        std::string line;
        for (std::size_t i = 0; i <= number; ++i) std::getline(log, line);
        return line;
    }

    Stage stage{};
    acme::ProviderSettings settings{};
};

}  // namespace

TEST_CASE("acme.sh: a script of dnsapi runs unchanged, among acme.sh's own helpers") {
    Installation acme_sh;
    acme_sh.settings.environment["MINE_Token"] = "t0ken";
    const auto provider = acme_sh.make();
    CHECK_FALSE(provider->takes_names_as_asked());
    CHECK(provider->present(record()).value() == base::Seconds(0));
    CHECK(acme_sh.posted(0) == "add _acme-challenge.www.example.com " + kValue);
    CHECK(acme_sh.posted(2) == "Authorization: t0ken");
    REQUIRE(provider->clean_up(record()));
    CHECK(acme_sh.posted(3) == "rm _acme-challenge.www.example.com " + kValue);
}

TEST_CASE("acme.sh: what a script saves is in account.conf as always, and nothing else stays behind") {
    Installation acme_sh;
    std::ofstream(acme_sh.stage / "home/account.conf") << "SAVED_MINE_Token='saved before'\n";
    const auto before = acme_sh.files_in("home");
    REQUIRE(acme_sh.make()->present(record()));
    CHECK(acme_sh.posted(2) == "Authorization: saved before");
    acme_sh.settings.environment["MINE_Token"] = "newer";
    REQUIRE(acme_sh.make()->present(record()));
    CHECK(acme_sh.stage.read("home/account.conf") == "SAVED_MINE_Token='newer'\n");
    CHECK(acme_sh.files_in("home") == before);
    const std::filesystem::path header = acme_sh.posted(1);
    CHECK(header.filename() == "http.header");
    CHECK_FALSE(std::filesystem::exists(header.parent_path()));
}

TEST_CASE("acme.sh: a config_home of its own leaves the installation as it is") {
    Installation acme_sh;
    std::filesystem::create_directory(acme_sh.stage / "config");
    const auto before = acme_sh.files_in("home");
    acme_sh.settings.texts["config_home"] = acme_sh.stage / "config";
    acme_sh.settings.environment["MINE_Token"] = "t0ken";
    REQUIRE(acme_sh.make()->present(record()));
    CHECK(acme_sh.files_in("home") == before);
    CHECK(acme_sh.files_in("config") == std::set<std::string>{"account.conf"});
}

TEST_CASE(
    "acme.sh: a config_home that is not there yet is made for nobody else to read, and what is saved is "
    "used") {
    Installation acme_sh;
    acme_sh.settings.texts["config_home"] = acme_sh.stage / "of/its";
    acme_sh.settings.environment["MINE_Token"] = "t0ken";
    REQUIRE(acme_sh.make()->present(record()));
    acme_sh.settings.environment.erase("MINE_Token");
    REQUIRE(acme_sh.make()->present(record()));
    CHECK(acme_sh.posted(5) == "Authorization: t0ken");
    CHECK(acme_sh.files_in("of/its") == std::set<std::string>{"account.conf"});
    using std::filesystem::perms;
    CHECK(std::filesystem::status(acme_sh.stage / "of/its").permissions() == perms::owner_all);
    CHECK(std::filesystem::status(acme_sh.stage / "of/its/account.conf").permissions() ==
          (perms::owner_read | perms::owner_write));
    std::ofstream(acme_sh.stage / "file") << "in the way";
    acme_sh.settings.texts["config_home"] = acme_sh.stage / "file/config";
    CHECK(has(message_of(acme_sh.make()->present(record())), "Not a directory"));
}

TEST_CASE("acme.sh: account.conf is not touched while another process has its directory") {
    Installation acme_sh;
    acme_sh.settings.environment["MINE_Token"] = "t0ken";
    acme_sh.settings.texts["timeout"] = "1s";
    const base::Descriptor directory(::open((acme_sh.stage / "home").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::flock(directory.number(), LOCK_EX) == 0);
    CHECK(has(message_of(acme_sh.make()->present(record())), "took longer than 1 s"));
    CHECK_FALSE(std::filesystem::exists(acme_sh.stage / "home/account.conf"));
    REQUIRE(::flock(directory.number(), LOCK_UN) == 0);
    acme_sh.settings.texts["timeout"] = "10s";
    CHECK(acme_sh.make()->present(record()));
}

TEST_CASE("acme.sh: the log that account.conf asks for is kept") {
    Installation acme_sh;
    std::ofstream(acme_sh.stage / "home/account.conf")
        << "LOG_FILE='" << acme_sh.stage / "acme.sh.log" << "'\nSAVED_MINE_Token='t0ken'\n";
    REQUIRE(acme_sh.make()->present(record()));
    CHECK(has(acme_sh.stage.read("acme.sh.log"), "Adding record\n"));
    CHECK_FALSE(has(acme_sh.stage.read("acme.sh.log"), "t0ken"));
}

TEST_CASE("acme.sh: a script of the user's own is found beside acme.sh, or where the key says") {
    Installation acme_sh;
    acme_sh.settings.environment["MINE_Token"] = "t0ken";
    std::filesystem::rename(acme_sh.stage / "home/dnsapi/dns_mine.sh", acme_sh.stage / "home/dns_mine.sh");
    CHECK(acme_sh.make()->present(record()));
    std::filesystem::rename(acme_sh.stage / "home/dns_mine.sh", acme_sh.stage / "elsewhere.sh");
    acme_sh.settings.texts["script"] = acme_sh.stage / "elsewhere.sh";
    CHECK(acme_sh.make()->present(record()));
}

TEST_CASE("acme.sh: what is missing is told with the place where it was looked for") {
    Installation acme_sh;
    const std::string home = acme_sh.stage / "home";
    acme_sh.settings.texts["hook"] = "dns_other";
    const auto no_script = acme_sh.make()->present(record());
    CHECK(code_of(no_script) == "process/not-started");
    CHECK(message_of(no_script) == "solver dns: there is no dns_other.sh in " + home + "/dnsapi or " + home);
    acme_sh.settings.texts["script"] = acme_sh.stage / "home/dnsapi/dns_mine.sh";
    const auto no_function = acme_sh.make()->present(record());
    CHECK(code_of(no_function) == "provider/failed");
    CHECK(has(message_of(no_function),
              "exit 1: " + home + "/dnsapi/dns_mine.sh has no function dns_other_add"));
    std::filesystem::remove(acme_sh.stage / "home/acme.sh");
    const auto no_acme_sh = acme_sh.make()->present(record());
    CHECK(code_of(no_acme_sh) == "process/not-started");
    CHECK(message_of(no_acme_sh) == "solver dns: there is no acme.sh in " + home);
    std::filesystem::create_symlink("acme.sh", home + "/acme.sh");
    const auto unreadable = acme_sh.make()->present(record());
    CHECK(code_of(unreadable) == "process/not-started");
    CHECK(message_of(unreadable) ==
          "solver dns: " + home + "/acme.sh cannot be read: Too many levels of symbolic links");
}

TEST_CASE("acme.sh: a script that fails is told in its own words") {
    const Installation acme_sh;
    const auto failed = acme_sh.make()->present(record());
    CHECK(code_of(failed) == "provider/failed");
    CHECK(message_of(failed) == "solver dns: dns_mine_add: exit 1: You didn't specify a token.");
}

TEST_CASE("acme.sh: a script that hangs is ended, and its directory goes all the same") {
    Installation acme_sh;
    static_cast<void>(acme_sh.stage.add(
        "home/dnsapi/dns_slow.sh", "dns_slow_add() { echo \"$renewd_scratch\" > \"$TEST_LOG\"; sleep 60; }"));
    acme_sh.settings.texts["hook"] = "dns_slow";
    acme_sh.settings.texts["timeout"] = "1s";
    const auto slow = acme_sh.make()->present(record());
    CHECK(has(message_of(slow), "solver dns: dns_slow_add: took longer than 1 s"));
    CHECK_FALSE(acme_sh.posted(0).empty());
    CHECK_FALSE(std::filesystem::exists(acme_sh.posted(0)));
}

TEST_CASE("acme.sh: names and values that a shell could take for more never reach it") {
    Installation acme_sh;
    acme_sh.settings.environment["MINE_Token"] = "t0ken";
    const auto provider = acme_sh.make();
    acme::TxtRecord bad = record();
    bad.value = "$(touch " + acme_sh.stage / "ran)";
    CHECK(code_of(provider->present(bad)) == "ca/protocol");
    bad = record();
    bad.name = "_acme-challenge.$(id).example.com.";
    CHECK(code_of(provider->clean_up(bad)) == "dns/failed");
    CHECK_FALSE(std::filesystem::exists(acme_sh.stage / "log"));
    for (const std::string hook : {"", "cf", "dns_cf; id", "dns_$(id)", "../dns_cf", "dns_cf.sh", "dns-cf"}) {
        acme_sh.settings.texts["hook"] = hook;
        CHECK(code_of(acme_sh.stage.make(acme::acme_sh_kind(), acme_sh.settings)) == "config/wrong-value");
    }
    acme_sh.settings.texts["hook"] = "dns_mine";
    for (const std::string key : {"home", "config_home", "script"}) {
        for (const std::string path : {"relative", "/with a/space"}) {
            auto settings = acme_sh.settings;
            settings.texts[key] = path;
            CHECK(code_of(acme_sh.stage.make(acme::acme_sh_kind(), settings)) == "config/wrong-value");
        }
    }
}
