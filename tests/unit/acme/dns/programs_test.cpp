// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/acme/dns/programs.hpp"

#include <ostream>
#include <thread>

#include <doctest/doctest.h>

#include "acme/solvers/dns/program.hpp"
#include "acme/solvers/dns/program_kinds.hpp"
#include "base/process.hpp"

using programs::code_of;
using programs::has;
using programs::kThumbprint;
using programs::kToken;
using programs::kValue;
using programs::message_of;
using programs::record;
using programs::Stage;
using std::string_view_literals::operator""sv;
using Strings = std::set<std::string>;

namespace {

/// The kinds that are called with what a CA has said, each around the same program.
std::vector<std::unique_ptr<acme::DnsProvider>> all_around(const Stage& stage, const std::string& program) {
    std::vector<std::unique_ptr<acme::DnsProvider>> all;
    const auto add = [&](const acme::ProviderKind& kind, const acme::ProviderSettings& settings) {
        all.push_back(stage.make(kind, settings).value());
    };
    const std::vector<std::string> argv = {program};
    add(acme::exec_kind(), {.solver = "dns", .argvs = {{"program", argv}}});
    add(acme::exec_kind(), {.solver = "dns", .texts = {{"mode", "raw"}}, .argvs = {{"program", argv}}});
    add(acme::certbot_hooks_kind(), {.solver = "dns", .argvs = {{"auth", argv}, {"cleanup", argv}}});
    add(acme::dehydrated_kind(), {.solver = "dns", .argvs = {{"hook", argv}}});
    return all;
}

}  // namespace

TEST_CASE("programs: the kinds, and the keys each requires") {
    std::string said;
    for (const acme::ProviderKind& kind : acme::program_kinds()) {
        said += std::string(kind.name) + ":";
        for (const acme::ProviderKey& key : kind.keys)
            said += " " + std::string(key.name) + (key.is_required ? "!" : "");
        said += "\n";
    }
    CHECK(said ==
          "plugin: name! timeout\n"
          "exec: program! mode timeout\n"
          "certbot-hooks: auth! cleanup timeout\n"
          "acme.sh: hook! home! config_home script timeout\n"
          "dehydrated: hook! timeout\n");
}

TEST_CASE("exec: lego's arguments, with the program's own before them") {
    const Stage stage;
    const std::string program = stage.add_recorder("update dns.sh");
    const auto exec =
        stage.make(acme::exec_kind(), {.solver = "dns", .argvs = {{"program", {program, "--view", "a b"}}}})
            .value();
    CHECK_FALSE(exec->takes_names_as_asked());
    CHECK(exec->present(record()).value() == base::Seconds(0));
    REQUIRE(exec->clean_up(record()));
    const std::string common = "_acme-challenge.www.example.com.\n" + kValue + "\n\n";
    CHECK(stage.read("log") == "--view\na b\npresent\n" + common + "--view\na b\ncleanup\n" + common);
    CHECK(stage.environment().empty());
}

TEST_CASE("exec: raw hands out domain, token and key authorization after --") {
    const Stage stage;
    const std::string program = stage.add_recorder("update");
    for (const std::string mode : {"raw", "RAW"}) {
        const auto exec =
            stage.make(acme::exec_kind(), {.solver = "dns", .texts = {{"mode", mode}, {"program", program}}})
                .value();
        CHECK(exec->takes_names_as_asked());
        REQUIRE(exec->present(record("*.example.com")));
        CHECK(stage.read("log") ==
              "present\n--\nexample.com\n" + kToken + "\n" + kToken + "." + kThumbprint + "\n\n");
        std::filesystem::remove(stage / "log");
    }
    const auto unknown = stage.make(
        acme::exec_kind(), {.solver = "dns", .texts = {{"mode", "ra"}}, .argvs = {{"program", {program}}}});
    CHECK(code_of(unknown) == "config/wrong-value");
    CHECK(unknown.error().hint == "mode is \"default\" or \"raw\"");
}

TEST_CASE("programs: the environment is ours and the solver's; nothing is inherited, no secret is shown") {
    const Stage stage;
    const std::string program =
        stage.add_recorder("update", "echo \"token s3cr3t-token was refused\" >&2; exit 1");
    static_cast<void>(stage.add("secret", "", 0600));
    std::ofstream(stage / "secret") << "s3cr3t-token\n";
    acme::ProviderSettings settings = {.solver = "dns", .argvs = {{"program", {program}}}};
    settings.environment = {{"ZONE", "example.com"}};
    settings.secret_environment = {{"API_TOKEN",
                                    {.kind = base::SecretSource::Kind::File,
                                     .name = stage / "secret",
                                     .key = "environment.API_TOKEN_file"}}};
    ::setenv("RENEWD_TEST_LEAK", "leaked", 1);
    const auto exec = stage.make(acme::exec_kind(), settings).value();
    const auto refused = exec->present(record());
    CHECK(stage.environment() == Strings{"ZONE=example.com", "API_TOKEN=s3cr3t-token"});
    CHECK(code_of(refused) == "provider/failed");
    CHECK(message_of(refused) == "solver dns: " + program + ": exit 1: token [API_TOKEN] was refused");
    REQUIRE(::chmod((stage / "secret").c_str(), 0644) == 0);
    CHECK(code_of(exec->present(record())) == "config/secret-exposed");
}

TEST_CASE("programs: a secret of several lines is not shown either, neither whole nor line by line") {
    const std::string secret = "first-line-of-it\n" + std::string(600, 'k') + "\nlast-line-of-it";
    const Stage stage;
    static_cast<void>(stage.add("secret", "", 0600));
    std::ofstream(stage / "secret") << secret << "\n";
    const auto failing = [&](const std::string& script) {
        acme::ProviderSettings settings = {.solver = "dns",
                                           .texts = {{"name", "mine"}},
                                           .argvs = {{"program", {stage.add("renewd-dns-mine", script)}}}};
        settings.secret_environment = {{"KEY",
                                        {.kind = base::SecretSource::Kind::File,
                                         .name = stage / "secret",
                                         .key = "environment.KEY_file"}}};
        std::string said;
        for (const auto& kind : {acme::exec_kind(), acme::plugin_kind()})
            said += message_of(stage.make(kind, settings).value()->present(record())) + "\n";
        return said;
    };
    for (const std::string script :
         {R"(printf 'Traceback:\n  key = %s\n' "$KEY" >&2; exit 1)",
          R"(printf 'bad key "%s"' "$KEY"; exit 1)",
          R"(printf '{"ok":false,"message":"key '; printf '%s' "$KEY" | tr '\n' ' ';)"
          R"( printf '"}'; cat >/dev/null)"}) {
        CAPTURE(script);
        const std::string said = failing(script);
        CHECK_FALSE(has(said, "first-line"));
        CHECK_FALSE(has(said, "last-line"));
        CHECK_FALSE(has(said, "kkkkkkkk"));
    }
    CHECK(has(failing(R"(printf 'bad key "%s"' "$KEY"; exit 1)"), R"(bad key "[KEY]")"));
}

TEST_CASE("programs: a failure is told with the last that was said, printable and bounded") {
    const Stage stage;
    const auto present = [&](const std::string& script, const std::string& timeout = "10s") {
        const std::string program = stage.add("p", script);
        return stage
            .make(acme::exec_kind(),
                  {.solver = "dns", .texts = {{"timeout", timeout}}, .argvs = {{"program", {program}}}})
            .value()
            ->present(record());
    };
    const std::string start = "solver dns: " + stage / "p" + ": ";
    CHECK(message_of(present("echo out; exit 1")) == start + "exit 1: out");
    CHECK(message_of(present("echo out; printf 'one\\n\\ntwo\\nthree\\n\\033[2Jfour\\n' >&2; exit 7")) ==
          start + "exit 7: two; three; ?[2Jfour");
    CHECK(message_of(present("kill -9 $$")) == start + "killed by SIGKILL");
    CHECK(
        message_of(present("dd if=/dev/zero bs=1024 count=300 2>/dev/null | tr '\\0' x >&2; exit 1")).size() <
        700);
    CHECK(message_of(present("sleep 60 & wait", "1s")) == start + "took longer than 1 s");
    const auto missing =
        stage.make(acme::exec_kind(), {.solver = "dns", .argvs = {{"program", {stage / "gone"}}}})
            .value()
            ->present(record());
    CHECK(code_of(missing) == "process/not-started");
    CHECK(has(message_of(missing), "solver dns"));
}

TEST_CASE("programs: a timeout that is none is refused") {
    const Stage stage;
    for (const std::string timeout : {"0s", "90", "s", "-1s", "1d", "2h", "1.5m", " 1s", "99999999s"}) {
        CAPTURE(timeout);
        CHECK(code_of(stage.make(
                  acme::dehydrated_kind(),
                  {.solver = "dns", .texts = {{"timeout", timeout}}, .argvs = {{"hook", {"/bin/true"}}}})) ==
              "config/wrong-value");
    }
    CHECK(acme::parse_wait("0s") == base::Seconds(0));
    CHECK(acme::parse_wait("90s") == base::Seconds(90));
    CHECK(acme::parse_wait("15m") == base::Seconds(900));
    CHECK(acme::parse_wait("1h") == base::Seconds(3600));
}

TEST_CASE("programs: one at a time, as the clients they were written for do it") {
    const Stage stage;
    const std::string program = stage.add(
        "p", "mkdir '" + stage / "busy" + "' || exit 1; sleep 0.05; rmdir '" + stage / "busy" + "'");
    const auto exec =
        stage.make(acme::exec_kind(), {.solver = "dns", .argvs = {{"program", {program}}}}).value();
    std::vector<std::string> codes(4);
    {
        std::vector<std::jthread> threads;
        for (std::string& code : codes)
            threads.emplace_back([&] { code = code_of(exec->present(record())); });
    }
    CHECK(codes == std::vector<std::string>(4));
}

TEST_CASE("programs: nothing a shell would act on, and no option, reaches a program") {
    const Stage stage;
    std::vector<acme::TxtRecord> bad_names;
    for (const std::string part : {"$(touch x)", "`id`", "a;b", "a b", "a\nb", "a'b", "a\"b", "a|b", "a&b",
                                   "a/b", "../a", "\xc3\xa4", "A"}) {
        bad_names.push_back(record());
        bad_names.back().name = "_acme-challenge." + part + ".example.com.";
    }
    for (const std::string name : {"", "-rf.example.com.", ".example.com.", "a..b.", "*.example.com."}) {
        bad_names.push_back(record());
        bad_names.back().name = name;
    }
    std::vector<acme::TxtRecord> bad_values;
    for (const std::string_view end : {"$(id)"sv, "`id`x"sv, ";id;x"sv, "\nxxxx"sv, " xxxx"sv, "'x'x'"sv,
                                       "====="sv, "xxxx\0"sv, "xxxxxx"sv, ""sv}) {
        bad_values.push_back(record());
        bad_values.back().value = kValue.substr(0, 38) + std::string(end);
    }
    std::vector<acme::TxtRecord> bad_tasks;
    for (const std::string token : {"", "../../etc/passwd", "$(id)", "a b", "a\nb", "a.b"}) {
        bad_tasks.push_back(record());
        bad_tasks.back().task.token = token;
        bad_tasks.back().task.key_authorization = token + "." + kThumbprint;
    }
    for (const std::string& authorization : {std::string("x"), kToken + ".$(id)", kToken, "x." + kThumbprint,
                                             kToken + "." + kThumbprint + "x"}) {
        bad_tasks.push_back(record());
        bad_tasks.back().task.key_authorization = authorization;
    }
    for (const std::string name : {"$(id).example.com", "a b", "-x.example.com", "", "*.*.example.com"}) {
        bad_tasks.push_back(record());
        bad_tasks.back().task.identifier.value = name;
    }
    for (const auto& provider : all_around(stage, stage.add_recorder("p"))) {
        if (provider->takes_names_as_asked()) {
            for (const auto& bad : bad_tasks) CHECK(code_of(provider->present(bad)) == "ca/protocol");
            for (const auto& bad : bad_tasks) CHECK(code_of(provider->clean_up(bad)) == "ca/protocol");
        }
        for (const auto& bad : bad_names) CHECK(code_of(provider->present(bad)) == "dns/failed");
        for (const auto& bad : bad_names) CHECK(code_of(provider->clean_up(bad)) == "dns/failed");
        for (const auto& bad : bad_values) CHECK(code_of(provider->present(bad)) == "ca/protocol");
        for (const auto& bad : bad_values) CHECK(code_of(provider->clean_up(bad)) == "ca/protocol");
    }
    CHECK_FALSE(std::filesystem::exists(stage / "log"));
}

TEST_CASE("programs: one that makes the record's name itself is not used for another name") {
    const Stage stage;
    acme::TxtRecord account = record();  // as dns-account-01 has it
    account.name = "_ujmmovf2vn55tgye._acme-challenge.www.example.com.";
    for (const auto& provider : all_around(stage, stage.add_recorder("p"))) {
        const auto result = provider->present(account);
        if (!provider->takes_names_as_asked()) {
            CHECK(result);
            std::filesystem::remove(stage / "log");
            continue;
        }
        CHECK(code_of(result) == "config/conflict");
        CHECK(has(message_of(result), "always writes to _acme-challenge.www.example.com."));
        CHECK_FALSE(std::filesystem::exists(stage / "log"));
    }
}

TEST_CASE("certbot's hooks: its environment, and what auth has printed goes to cleanup") {
    const Stage stage;
    const std::string auth = stage.add_recorder("auth", "printf ' record 4711\\n\\n'");
    const std::string cleanup = stage.add_recorder("cleanup");
    const auto hooks = stage
                           .make(acme::certbot_hooks_kind(),
                                 {.solver = "dns", .argvs = {{"auth", {auth, "-q"}}, {"cleanup", {cleanup}}}})
                           .value();
    CHECK(hooks->takes_names_as_asked());
    REQUIRE(hooks->present(record("*.example.com")));
    CHECK(stage.read("log") == "-q\n\n");
    Strings expected = {"CERTBOT_DOMAIN=example.com",          "CERTBOT_IDENTIFIER=example.com",
                        "CERTBOT_VALIDATION=" + kValue,        "CERTBOT_ALL_DOMAINS=example.com",
                        "CERTBOT_ALL_IDENTIFIERS=example.com", "CERTBOT_REMAINING_CHALLENGES=0"};
    CHECK(stage.environment() == expected);
    REQUIRE(hooks->clean_up(record("*.example.com")));
    expected.insert("CERTBOT_AUTH_OUTPUT=record 4711");
    CHECK(stage.environment() == expected);
    // Again, as after a restart: nobody knows any more what auth has printed.
    REQUIRE(hooks->clean_up(record("*.example.com")));
    CHECK(stage.environment().contains("CERTBOT_AUTH_OUTPUT="));
}

TEST_CASE(
    "certbot's hooks: the outputs of two values at one name are not mixed up; a failed cleanup keeps them") {
    const Stage stage;
    const std::string auth = stage.add_recorder("auth", "echo \"for $CERTBOT_VALIDATION\"");
    const std::string cleanup = stage.add_recorder("cleanup", "test ! -e '" + stage / "broken" + "'");
    const auto hooks = stage
                           .make(acme::certbot_hooks_kind(),
                                 {.solver = "dns", .argvs = {{"auth", {auth}}, {"cleanup", {cleanup}}}})
                           .value();
    acme::TxtRecord other = record("*.example.com");
    other.value.front() = 'M';
    REQUIRE(hooks->present(record("example.com")));
    REQUIRE(hooks->present(other));
    static_cast<void>(stage.add("broken", ""));
    CHECK(code_of(hooks->clean_up(record("example.com"))) == "provider/failed");
    std::filesystem::remove(stage / "broken");
    REQUIRE(hooks->clean_up(record("example.com")));
    CHECK(stage.environment().contains("CERTBOT_AUTH_OUTPUT=for " + kValue));
    REQUIRE(hooks->clean_up(other));
    CHECK(stage.environment().contains("CERTBOT_AUTH_OUTPUT=for " + other.value));
}

TEST_CASE("certbot's hooks: without a cleanup there is nothing to clean up") {
    const Stage stage;
    const std::string auth = stage.add_recorder("auth");
    const auto hooks =
        stage.make(acme::certbot_hooks_kind(), {.solver = "dns", .texts = {{"auth", auth}}}).value();
    REQUIRE(hooks->present(record()));
    std::filesystem::remove(stage / "log");
    CHECK(hooks->clean_up(record()));
    CHECK_FALSE(std::filesystem::exists(stage / "log"));
}

TEST_CASE("dehydrated: the arguments of its HOOK") {
    const Stage stage;
    const std::string hook = stage.add_recorder("hook");
    const auto dehydrated =
        stage.make(acme::dehydrated_kind(), {.solver = "dns", .argvs = {{"hook", {hook}}}}).value();
    CHECK(dehydrated->takes_names_as_asked());
    REQUIRE(dehydrated->present(record("*.example.com")));
    REQUIRE(dehydrated->clean_up(record("*.example.com")));
    const std::string common = "example.com\n" + kToken + "\n" + kValue + "\n\n";
    CHECK(stage.read("log") == "deploy_challenge\n" + common + "clean_challenge\n" + common);
}

TEST_CASE(
    "dehydrated: the hook that its package ships runs as it is, with its parameters where it wants them") {
    const Stage stage;
    const std::string shipped = "/usr/share/doc/dehydrated/examples/hook.sh";
    std::string hook = shipped;
    if (!std::filesystem::exists(shipped)) {
        const auto unpacked = base::run({.argv = {"gzip", "-dc", shipped + ".gz"}});
        REQUIRE((unpacked && unpacked->ok()));
        hook = stage.add("hook.sh", "");
        std::ofstream(hook) << unpacked->out;
    }
    // bash reads the file BASH_ENV names before any script: the hook itself stays as it is.
    static_cast<void>(stage.add("trace", "exec 2>> '" + stage / "log" + "'; set -x"));
    const auto dehydrated =
        stage
            .make(acme::dehydrated_kind(), {.solver = "dns",
                                            .argvs = {{"hook", {hook}}},
                                            .environment = {{"BASH_ENV", stage / "trace"}}})
            .value();
    REQUIRE(dehydrated->present(record()));
    CHECK(has(stage.read("log"), "+ deploy_challenge www.example.com " + kToken + " " + kValue + "\n"));
    CHECK(
        has(stage.read("log"), "DOMAIN=www.example.com TOKEN_FILENAME=" + kToken + " TOKEN_VALUE=" + kValue));
    REQUIRE(dehydrated->clean_up(record()));
    CHECK(has(stage.read("log"), "+ clean_challenge www.example.com " + kToken + " " + kValue + "\n"));
}

TEST_CASE("plugin: present and cleanup as INTERFACE has them, and the wait it asks for") {
    const Stage stage;
    const std::string reply = "'; cat > '" + stage / "request" + "'; cat '" + stage / "reply" + "'";
    static_cast<void>(stage.add("renewd-dns-mine", ": '" + reply));
    const auto answer = [&](const std::string& text) { std::ofstream(stage / "reply") << text; };
    acme::ProviderSettings settings = {.solver = "dns", .texts = {{"name", "mine"}}};
    settings.environment = {{"ZONE", "z"}};
    const auto plugin = stage.make(acme::plugin_kind(), settings).value();
    CHECK_FALSE(plugin->takes_names_as_asked());
    answer(R"({"version":1,"ok":true,"wait":"30s"})");
    CHECK(plugin->present(record()).value() == base::Seconds(30));
    CHECK(stage.read("request") ==
          R"({"fqdn":"_acme-challenge.www.example.com.","op":"present","ttl":60,"value":")" + kValue +
              R"(","version":1,"zone":"example.com."})" + "\n");
    answer(R"({"ok":true})");
    CHECK(plugin->present(record()).value() == base::Seconds(0));
    REQUIRE(plugin->clean_up(record()));
    CHECK(has(stage.read("request"), "\"op\":\"cleanup\""));
    for (const std::string wait : {"30", "\"30\"", "\"2h\"", "null", "\"-1s\""}) {
        answer(R"({"ok":true,"wait":)" + wait + "}");
        CHECK(code_of(plugin->present(record())) == "provider/protocol");
    }
    answer(R"({"ok":false,"message":"no such zone"})");
    const auto refused = plugin->present(record());
    CHECK(code_of(refused) == "provider/failed");
    CHECK(message_of(refused) ==
          "solver dns: plugin " + stage / "renewd-dns-mine" + ", present: no such zone");
    answer("");
    CHECK(code_of(plugin->clean_up(record())) == "provider/protocol");
}

TEST_CASE("plugin: looked for and judged at each call, and never run when it is not safe") {
    const Stage stage;
    const auto plugin =
        stage.make(acme::plugin_kind(), {.solver = "dns", .texts = {{"name", "mine"}}}).value();
    CHECK(code_of(plugin->present(record())) == "process/not-started");
    const std::string path =
        stage.add("renewd-dns-mine", "touch '" + stage / "ran" + "'; echo '{\"ok\":true}'");
    acme::TxtRecord bad = record();
    bad.value = "$(id)";
    CHECK(code_of(plugin->present(bad)) == "ca/protocol");
    REQUIRE(::chmod(path.c_str(), 0775) == 0);
    CHECK(code_of(plugin->present(record())) == "plugin/unsafe");
    CHECK_FALSE(std::filesystem::exists(stage / "ran"));
    REQUIRE(::chmod(path.c_str(), 0755) == 0);
    CHECK(plugin->present(record()));
}
