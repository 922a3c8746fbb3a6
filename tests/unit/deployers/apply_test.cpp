// SPDX-License-Identifier: Apache-2.0
// The root helper as a host: everything a host must do, behind a real socket and with the real list.
#include "deployers/hosts/apply.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "deployers/deployer.hpp"
#include "deployers/hosts/helper.hpp"
#include "tests/unit/deployers/generations.hpp"
#include "tests/unit/deployers/helper_socket.hpp"
#include "tests/unit/deployers/host_conformance.hpp"

namespace {

using tests::FakeService;
using tests::HelperSocket;

/// A service, a list of root's that allows exactly its target, and the helper.
class Allowed {
  public:
    Allowed() {
        list("write " + service.tls() + " root:root 0644\nrun " + service.command("test").front() + "\nrun " +
             service.command("reload").front() + "\nrun " + service.command("restart").front() + "\n");
    }

    void list(const std::string& text) const { tests::spill(list_path(), text, 0600); }

    [[nodiscard]] std::string list_path() const { return service.path() + "/allow"; }

    /// The files of a generation, real ones; without a test, for the service's own knows no certificates.
    [[nodiscard]] deployers::Installation installation(int number) const {
        const auto generation = tests::make_generation(number);
        auto plan = deployers::find_deployer("files")->plan(
            generation, {},
            {.target = "web",
             .paths = {{.form = deployers::Form::Fullchain, .path = service.cert()},
                       {.form = deployers::Form::Key, .path = service.key()}},
             .reload = service.command("reload")});
        return plan.value();
    }

    FakeService service;
    base::SystemFiles files;
    HelperSocket helper{deployers::make_gate(files, service.path() + "/allow")};
};

std::string code_of(const base::Error& error) {
    return std::string(base::to_string(error.code));
}

}  // namespace

TEST_CASE("apply: keeps the contract of hosts") {
    HelperSocket helper(tests::open_gate());
    tests::check_conformance([&] { return deployers::make_helper_host(helper.path()); });
}

TEST_CASE("apply: what the list allows is done, and looked at, and considered") {
    Allowed allowed;
    const auto host = deployers::make_helper_host(allowed.helper.path());
    const auto installation = allowed.installation(1);
    CHECK(deployers::ask_helper(allowed.helper.path(), installation).value() == 4);
    CHECK(allowed.service.names().empty());  // nothing was touched by that
    CHECK(host->inspect(installation).value().empty());
    const auto session = host->install(installation).value();
    CHECK(session->report().outcome == deployers::InstallOutcome::Installed);
    CHECK(session->commit().value().outcome == deployers::InstallOutcome::Committed);
    CHECK(tests::attributes(allowed.service.key()) == "0600 0:0");
    CHECK(host->inspect(installation).value() == deployers::digests_of(installation));
    CHECK(allowed.helper.told().find("committed") != std::string::npos);
    CHECK(allowed.helper.told().find("PRIVATE KEY") == std::string::npos);
}

TEST_CASE("apply: what the list does not allow is refused, with the line that would") {
    Allowed allowed;
    const auto host = deployers::make_helper_host(allowed.helper.path());

    struct Case {
        std::string_view name;
        std::function<void(deployers::Installation&)> change;
        std::string_view code;
        std::string words;
    };

    const std::string tls = allowed.service.tls();
    for (const Case& c :
         {Case{"a command that is not listed", [](auto& i) { i.reload = {"/bin/sh", "-c", "id>/tmp/x"}; },
               "deploy/not-allowed", "no line  run /bin/sh -c id>/tmp/x"},
          Case{"one word more", [](auto& i) { i.reload.emplace_back("--now"); }, "deploy/not-allowed",
               "reload.sh --now"},
          Case{"another group", [](auto& i) { i.published[1].group = "daemon"; }, "deploy/not-allowed",
               "no line  write " + tls + " root:daemon 0600"},
          Case{"a directory beside", [&](auto& i) { i.published[0].path = allowed.service.path() + "/x"; },
               "deploy/not-allowed", "no line  write " + allowed.service.path() + " root:root 0644"},
          Case{"what is no PEM",
               [](auto& i) { i.published[0].content = base::Secret("root::0:0::/:/bin/sh\n"); },
               "deploy/not-allowed", "is not PEM"},
          Case{"a key for everybody", [](auto& i) { i.published[1].mode = 0644; }, "deploy/not-allowed",
               "every user of the machine"},
          Case{"versions elsewhere", [](auto& i) { i.versions = "/var/lib"; }, "deploy/not-allowed",
               "write /var/lib root:root"}}) {
        CAPTURE(c.name);
        deployers::Installation installation = allowed.installation(1);
        c.change(installation);
        const auto session = host->install(installation);
        REQUIRE_FALSE(session.has_value());
        CHECK(code_of(session.error()) == c.code);
        CAPTURE(session.error().message);
        CHECK(session.error().message.find(c.words) != std::string::npos);
        CHECK_FALSE(session.error().hint.empty());
        const auto considered = deployers::ask_helper(allowed.helper.path(), installation);
        REQUIRE_FALSE(considered.has_value());
        CHECK(code_of(considered.error()) == c.code);
        CHECK(allowed.service.names().empty());
        CHECK(allowed.service.log() == "");
    }
    deployers::Installation elsewhere = allowed.installation(1);
    elsewhere.published = {{.path = "/etc/shadow", .content = base::Secret("")}};
    const auto looked = host->inspect(elsewhere);
    REQUIRE_FALSE(looked.has_value());
    CHECK(code_of(looked.error()) == "deploy/not-allowed");
}

TEST_CASE("apply: a directory that is led elsewhere") {
    Allowed allowed;
    const auto host = deployers::make_helper_host(allowed.helper.path());
    const std::string tls = allowed.service.tls();
    std::filesystem::create_directory(allowed.service.path() + "/precious");
    deployers::Installation installation = allowed.installation(1);
    const auto refusal = [&] {
        const auto session = host->install(installation);
        REQUIRE_FALSE(session.has_value());
        CHECK(code_of(session.error()) == "deploy/unsafe-path");
        CHECK(std::filesystem::is_empty(allowed.service.path() + "/precious"));
        return session.error().message;
    };
    SUBCASE("by a link below it, even of root's") {
        std::filesystem::create_directory_symlink("../precious", tls + "/link");
        installation.published[0].path = tls + "/link/cert";
        CHECK(refusal().find(tls + "/link is a symbolic link") != std::string::npos);
        CHECK_FALSE(host->inspect(installation).has_value());
    }
    SUBCASE("by a link in place of a file") {
        std::filesystem::create_symlink("../precious/x", allowed.service.cert());
        CHECK(refusal().find("is a symbolic link") != std::string::npos);
    }
    SUBCASE("by versions that are a link") {
        std::filesystem::create_directory_symlink("../precious", tls + "/v");
        installation.versions = tls + "/v";
        CHECK(refusal().find(tls + "/v is a symbolic link") != std::string::npos);
    }
    SUBCASE("by somebody whose it is") {
        (void)!::chown(tls.c_str(), 12345, 0);
        CHECK(refusal().find("12345") != std::string::npos);
        CHECK_FALSE(host->inspect(installation).has_value());
    }
}

TEST_CASE("apply: a list that is in other hands allows nothing") {
    Allowed allowed;
    const auto refusal = [&] {
        const auto considered = deployers::ask_helper(allowed.helper.path(), allowed.installation(1));
        REQUIRE_FALSE(considered.has_value());
        return code_of(considered.error()) + ": " + considered.error().message + " | " +
               considered.error().hint;
    };
    const std::string list = allowed.list_path();
    SUBCASE("writable by others") {
        (void)::chmod(list.c_str(), 0666);
        const std::string said = refusal();
        CHECK(said.starts_with("file/unsafe: "));
        CHECK(said.ends_with("chmod go-w " + list));
    }
    SUBCASE("writable by a group") {
        (void)::chmod(list.c_str(), 0660);
        CHECK(refusal().ends_with("chmod go-w " + list));
    }
    SUBCASE("somebody's") {
        (void)!::chown(list.c_str(), 12345, 0);
        CHECK(refusal().ends_with("chown root:root " + list));
    }
    SUBCASE("in a directory that others can write to, sticky or not") {
        (void)::chmod(allowed.service.path().c_str(), 01777);
        CHECK(refusal().ends_with("chmod go-w " + allowed.service.path()));
    }
    SUBCASE("in a directory of somebody's") {
        (void)!::chown(allowed.service.path().c_str(), 12345, 0);
        CHECK(refusal().ends_with("chown root:root " + allowed.service.path()));
    }
    SUBCASE("a link") {
        std::filesystem::rename(list, list + ".real");
        std::filesystem::create_symlink(list + ".real", list);
        CHECK(refusal().starts_with("file/unsafe: "));
    }
    SUBCASE("or that names a program that is in other hands") {
        const std::string program = allowed.service.command("reload").front();
        (void)::chmod(program.c_str(), 0777);
        CHECK(refusal().ends_with("chmod go-w " + program));
        (void)::chmod(program.c_str(), 0755);
        (void)!::chown(program.c_str(), 12345, 0);
        CHECK(refusal().ends_with("chown root:root " + program));
    }
    SUBCASE("or that names a program that cannot be executed, yet") {
        const std::string program = allowed.service.command("reload").front();
        (void)::chmod(program.c_str(), 0644);
        CHECK(refusal().starts_with("deploy/not-allowed: " + program +
                                    " is no program that could be executed"));
        std::filesystem::remove(program);
        CHECK(refusal().starts_with("deploy/not-allowed: " + program + " is no program"));
    }
    SUBCASE("or that names a program in a directory of somebody's, be it there or not") {
        const std::string theirs = allowed.service.path() + "/theirs";
        std::filesystem::create_directory(theirs);
        (void)!::chown(theirs.c_str(), 12345, 0);
        allowed.list("write " + allowed.service.tls() + " root:root 0644\nrun " + theirs + "/reload\n");
        deployers::Installation installation = allowed.installation(1);
        installation.reload = {theirs + "/reload"};
        const auto refused = [&] {
            const auto considered = deployers::ask_helper(allowed.helper.path(), installation);
            REQUIRE_FALSE(considered.has_value());
            return code_of(considered.error()) + ": " + considered.error().message;
        };
        CHECK(refused().starts_with("deploy/unsafe-path: " + theirs + " belongs to user 12345"));
        tests::spill(theirs + "/reload", "#!/bin/sh\n", 0644);
        CHECK(refused().starts_with("deploy/unsafe-path: " + theirs + " belongs to user 12345"));
        SUBCASE("that a link of root's leads to") {
            std::filesystem::create_symlink(allowed.service.command("reload").front(), theirs + "/link");
            std::filesystem::create_symlink(theirs + "/link", allowed.service.path() + "/link");
            installation.reload = {allowed.service.path() + "/link"};
            allowed.list("write " + allowed.service.tls() + " root:root 0644\nrun " + allowed.service.path() +
                         "/link\n");
            CHECK(refused().starts_with("deploy/unsafe-path: " + theirs + " belongs to user 12345"));
        }
    }
    SUBCASE("or that names a program by its name that is only below /usr/local") {
        allowed.list("write " + allowed.service.tls() + " root:root 0644\nrun renewd-no-such-program\n");
        deployers::Installation installation = allowed.installation(1);
        installation.reload = {"renewd-no-such-program"};
        const auto considered = deployers::ask_helper(allowed.helper.path(), installation);
        REQUIRE_FALSE(considered.has_value());
        CHECK(considered.error().message ==
              "there is no program renewd-no-such-program in /usr/sbin:/usr/bin:/sbin:/bin");
    }
    SUBCASE("none") {
        std::filesystem::remove(list);
        CHECK(refusal().starts_with("deploy/not-allowed: "));
    }
    SUBCASE("one that cannot be understood") {
        allowed.list("write everything\n");
        CHECK(refusal().starts_with("config/syntax: "));
    }
}

TEST_CASE("apply: a program is looked at again right before it is run") {
    Allowed allowed;
    const auto host = deployers::make_helper_host(allowed.helper.path());
    const auto session = host->install(allowed.installation(1)).value();
    REQUIRE(session->report().outcome == deployers::InstallOutcome::Installed);
    CHECK(session->report().reload.ok());
    const std::string log = allowed.service.log();
    const std::string program = allowed.service.command("reload").front();
    (void)::chmod(program.c_str(), 0757);
    const auto again = session->reload().value();
    CHECK(again.reload.exit_code == 127);
    CHECK(again.reload.output.find(program + " can be written by others than root") != std::string::npos);
    CHECK(allowed.service.log() == log);
}

TEST_CASE("apply: commands find their own programs where the helper looked for its own") {
    Allowed allowed;
    tests::spill(allowed.service.command("reload").front(), "#!/bin/sh\necho \"$0 $PATH\"\n", 0755);
    const auto session =
        deployers::make_helper_host(allowed.helper.path())->install(allowed.installation(1)).value();
    CHECK(session->report().reload.output ==
          allowed.service.command("reload").front() + " /usr/sbin:/usr/bin:/sbin:/bin");
}

TEST_CASE("helper: what stands in the way of reaching it") {
    const tests::TemporaryDirectory directory;
    const std::string socket = directory / "apply.sock";
    const auto refusal = [&] {
        const auto session = deployers::make_helper_host(socket)->install(FakeService().installation("1"));
        REQUIRE_FALSE(session.has_value());
        CHECK(code_of(session.error()) == "host/unreachable");
        return session.error().message + " | " + session.error().hint;
    };
    SUBCASE("no socket") {
        CHECK(refusal().find("No such file") != std::string::npos);
    }
    SUBCASE("nobody listens") {
        tests::spill(socket, "");
        CHECK(refusal().ends_with("systemctl enable --now renewd-apply.socket"));
    }
}
