// SPDX-License-Identifier: Apache-2.0
// The remote script without SSH around it: under busybox, with nothing but busybox's own tools (and so
// without flock); and other sides that are no receiver, or a bad one.
#include "deployers/hosts/receiver_host.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "deployers/hosts/receiver_script.hpp"
#include "tests/unit/deployers/host_conformance.hpp"
#include "tests/unit/deployers/sshd.hpp"

namespace {

using tests::FakeService;

/// A directory with nothing in it but busybox's tools.
class Busybox {
  public:
    Busybox() {
        (void)::chmod(directory_.path().c_str(), 0755);
        tests::run_or_throw({"busybox", "--install", "-s", directory_.path()});
    }

    /// Under busybox's own shell, or under another one.
    [[nodiscard]] std::vector<std::string> receiver(const std::string& shell = "") const {
        std::string script(deployers::receiver_script());
        const std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
        script.replace(script.find(path), path.size(), "PATH=" + directory_.path());
        return {shell.empty() ? directory_ / "sh" : shell, "-c", script, "renewd"};
    }

    /// Runs a script before one of the tools. (busybox's own shell has the tools built in.)
    void replace(const std::string& name, const std::string& script) const {
        std::filesystem::remove(directory_ / name);
        tests::spill(directory_ / name, "#!/bin/sh\n" + script + "exec /bin/busybox " + name + " \"$@\"\n",
                     0755);
    }

  private:
    tests::TemporaryDirectory directory_;
};

std::unique_ptr<deployers::Host> make_host(const std::vector<std::string>& argv) {
    return deployers::make_receiver_host(
        {.name = "web1",
         .command = [argv]() -> base::Result<base::Command> { return base::Command{.argv = argv}; },
         .explain = [](const base::Completed& ended) -> base::Error {
             return {.code = base::Code::HostProtocol,
                     .message = ended.describe() + ": " + ended.out + ended.err};
         },
         .connect_deadline = base::Seconds{1}});
}

/// A shell in place of the other side; "$0" is the receiver.
std::unique_ptr<deployers::Host> make_shell(const std::string& script) {
    return make_host({"/bin/sh", "-c", script, std::string(deployers::receiver_script())});
}

/// A receiver we talk to by hand.
base::Conversation talk() {
    auto started = base::Conversation::start(
        {.argv = {"/bin/sh", "-c", std::string(deployers::receiver_script()), "renewd"}});
    REQUIRE(started.has_value());
    base::Conversation receiver = std::move(started).value();
    CHECK(receiver.read_line(base::Milliseconds{5000})->text == "renewd-1 ready");
    return receiver;
}

}  // namespace

TEST_CASE("receiver: keeps the contract of hosts under busybox") {
    static const Busybox busybox;
    tests::check_conformance([] { return make_host(busybox.receiver()); });
}

TEST_CASE("receiver: owner and mode are right before the first byte of a key is there") {
    const FakeService service;
    const Busybox busybox;
    const std::string log = service.path() + "/attributes";
    // head writes what the bundle holds of a file; its stdout is that file.
    busybox.replace(
        "head", "seen=$(/usr/bin/stat -L -c '%s %a %u:%g' /proc/$$/fd/1)\necho \"$seen\" >>" + log + "\n");
    auto installation = service.installation("1");
    installation.published[1].mode = 0440;
    installation.published[1].owner = installation.published[1].group = "daemon";
    CHECK(make_host(busybox.receiver("/bin/sh"))->install(installation).value()->report().outcome ==
          tests::InstallOutcome::Installed);
    const std::string seen = tests::slurp(log);
    CAPTURE(seen);
    CHECK(seen.starts_with("0 600 0:0\n"));  // the bundle itself
    CHECK(seen.find("0 440 1:1\n") != std::string::npos);
    CHECK(seen.find("0 644 0:0\n") != std::string::npos);  // the certificate
}

TEST_CASE("receiver: what a login prints before it starts does not matter") {
    const FakeService service;
    const auto host =
        make_shell("echo Welcome to web1; echo 'renewd-2 ready'; echo; exec /bin/sh -c \"$0\" renewd");
    CHECK(host->install(service.installation("1")).value()->report().outcome ==
          tests::InstallOutcome::Installed);
    CHECK(host->inspect(service.installation("1"))->size() == 2);
}

TEST_CASE("receiver: other sides that are none") {
    struct Case {
        std::string_view name, script, code, words;
    };

    const FakeService service;
    for (const Case& c :
         {Case{.name = "no shell",
               .script = "echo not available >&2; exit 1",
               .code = "host/protocol",
               .words = "exit 1: not available"},
          Case{.name = "silence",
               .script = "exec sleep 30",
               .code = "host/timeout",
               .words = "did not answer within 1 s; nothing was sent"},
          Case{.name = "talk without end",
               .script = "exec yes",
               .code = "host/protocol",
               .words = "no receiver of renewd"},
          Case{.name = "an answer before the question",
               .script = "echo 'renewd-1 {}'",
               .code = "host/protocol",
               .words = "none of renewd's"},
          Case{.name = "a refusal",
               .script = "echo 'renewd-1 {\"version\":1,\"error\":\"host/protocol\",\"message\":\"there is "
                         "no stat on this host\"}'",
               .code = "host/protocol",
               .words = "web1: there is no stat on this host"},
          Case{.name = "lost after the files were handed over",
               .script = "echo 'renewd-1 ready'; head -c 200 >/dev/null",
               .code = "deploy/outcome-unknown",
               .words = "the connection to web1 was lost"},
          Case{.name = "nonsense after the files were handed over",
               .script = "echo 'renewd-1 ready'; head -c 200 >/dev/null; echo 'renewd-1 [1]'; cat >/dev/null",
               .code = "host/protocol",
               .words = "none of renewd's"}}) {
        CAPTURE(c.name);
        const auto session = make_shell(std::string(c.script))->install(service.installation("1"));
        REQUIRE_FALSE(session.has_value());
        CHECK(base::to_string(session.error().code) == c.code);
        CHECK(session.error().message.find(c.words) != std::string::npos);
        CHECK(service.names().empty());
    }
}

TEST_CASE("receiver: a bundle that is not the one announced is not opened") {
    const FakeService service;
    const auto installation = service.installation("1");
    const std::string bundle(deployers::to_bundle(installation).reveal());
    const std::string work = deployers::work_directory(installation);
    const std::string digest = base::sha256_hex(bundle);

    struct Case {
        std::string_view name;
        std::string announced, sent, words;
    };

    const auto announce = [&](std::size_t size, const std::string& sha256) {
        return "renewd-1 install " + std::to_string(size) + " " + sha256 + " 20 " + work + "\n";
    };
    for (const Case& c : {Case{.name = "one byte other",
                               .announced = announce(bundle.size(), digest),
                               .sent = bundle.substr(0, bundle.size() - 1) + "X",
                               .words = "damaged or cut short"},
                          Case{.name = "cut short",
                               .announced = announce(bundle.size(), digest),
                               .sent = bundle.substr(0, bundle.size() - 5),
                               .words = "damaged or cut short"},
                          Case{.name = "another digest",
                               .announced = announce(bundle.size(), std::string(64, '0')),
                               .sent = bundle,
                               .words = "damaged or cut short"},
                          Case{.name = "no bundle at all",
                               .announced = announce(6, base::sha256_hex("hello\n")),
                               .sent = "hello\n",
                               .words = "cannot be read here"},
                          Case{.name = "another version",
                               .announced = "renewd-2 install 1 x 1 /x\n",
                               .sent = "",
                               .words = "version 1"},
                          Case{.name = "no number",
                               .announced = "renewd-1 install 1x x 1 /x\n",
                               .sent = "",
                               .words = "no number"},
                          Case{.name = "nowhere to work",
                               .announced = "renewd-1 install 1 x 1 /tmp/x\n",
                               .sent = "",
                               .words = "no directory"}}) {
        CAPTURE(c.name);
        base::Conversation receiver = talk();
        REQUIRE(receiver.send(c.announced + c.sent).has_value());
        const base::Completed ended = receiver.finish(base::Milliseconds{10'000});
        CHECK(ended.exit_code == 0);
        CHECK(ended.out.find("\"error\":\"host/protocol\"") != std::string::npos);
        CHECK(ended.out.find(c.words) != std::string::npos);
        CHECK(service.names().empty());
        CHECK(service.log() == "");
    }
}

TEST_CASE("receiver: a full disk is told as one") {
    const FakeService service;
    service.hold("1");
    const Busybox busybox;
    const auto installation = service.installation("2", {"1"});
    SUBCASE("while the files arrive") {
        busybox.replace("head", "echo head: No space left on device >&2; exit 1\n");
        const auto session = make_host(busybox.receiver("/bin/sh"))->install(installation);
        REQUIRE(session.has_value());
        CHECK(session.value()->report().outcome == tests::InstallOutcome::WriteFailed);
        CHECK(session.value()->report().message.find("No space left on device") != std::string::npos);
        CHECK(service.log() == "");
    }
    SUBCASE("while they are taken apart") {
        busybox.replace(
            "head", "ln -s /dev/full " + deployers::work_directory(installation) + "/run/test 2>/dev/null\n");
        const auto session = make_host(busybox.receiver("/bin/sh"))->install(installation);
        REQUIRE(session.has_value());
        CHECK(session.value()->report().outcome == tests::InstallOutcome::WriteFailed);
        CHECK(session.value()->report().message.find("is the disk full?") != std::string::npos);
        CHECK(service.log() == "");
    }
    SUBCASE("and does not look like a test that fails") {
        busybox.replace("env", "mkdir -p " + deployers::work_directory(installation) + "/run/code\n");
        const auto session = make_host(busybox.receiver("/bin/sh"))->install(installation);
        REQUIRE(session.has_value());
        CHECK(session.value()->report().outcome == tests::InstallOutcome::Installed);
        CHECK(session.value()->report().test_before.exit_code == 0);
        return;
    }
    CHECK(tests::slurp(service.key()) == "key 1");
    CHECK(service.names() == tests::Names{"cert", "key"});
}

TEST_CASE("receiver: a broken service is left alone although nobody hears of it") {
    const FakeService service;
    service.hold("1");
    service.be("broken");
    const auto installation = service.installation("2", {"1"});
    const std::string bundle(deployers::to_bundle(installation).reveal());
    tests::spill(service.path() + "/request",
                 "renewd-1 install " + std::to_string(bundle.size()) + " " + base::sha256_hex(bundle) +
                     " 20 " + deployers::work_directory(installation) + "\n" + bundle,
                 0600);
    tests::run_or_throw({"/bin/sh", "-c",
                         "/bin/sh -c \"$0\" renewd <" + service.path() + "/request >/dev/full 2>/dev/null",
                         std::string(deployers::receiver_script())});
    CHECK(service.log() == "test certificate 1\n");
    CHECK(tests::slurp(service.key()) == "key 1");
    CHECK(service.names() == tests::Names{"cert", "key"});
}

TEST_CASE("receiver: what others put beside the files does not keep them from being tidied up") {
    const FakeService service;
    service.hold("1");
    auto installation = service.installation("2", {"1"});
    installation.versions = service.tls() + "/v";
    installation.staged = {
        {.path = installation.versions + "/2-00000002/privkey.pem", .content = base::Secret("key 2")}};
    installation.test = {
        "/bin/sh", "-c",
        "! grep -q 2 " + service.cert() + " || { touch " + installation.versions + "/theirs; exit 1; }"};
    const auto session = make_shell("exec /bin/sh -c \"$0\" renewd")->install(installation);
    REQUIRE(session.has_value());
    CHECK(session.value()->report().outcome == tests::InstallOutcome::TestFailed);
    CHECK(session.value()->report().message == "");
    CHECK(service.names() == tests::Names{"cert", "key", "v", "v/theirs"});
}

TEST_CASE("receiver: a copy of what was there before is durable before the journal speaks of it") {
    const FakeService service;
    service.hold("1");
    const Busybox busybox;
    const std::string log = service.path() + "/synced";
    busybox.replace("ln", "exit 1\n");
    busybox.replace("sync", "echo \"$@\" >>" + log + "\n");
    const auto installation = service.installation("2", {"1"});
    const auto session = make_host(busybox.receiver("/bin/sh"))->install(installation);
    REQUIRE(session.has_value());
    const std::string synced = tests::slurp(log);
    const std::string work = deployers::work_directory(installation);
    for (const std::string& path : {service.cert(), service.key()})
        CHECK(synced.find(deployers::old_name(work, path)) < synced.find("journal.disk"));
    CHECK(session.value()->restore().value().outcome == tests::InstallOutcome::Restored);
    CHECK(tests::attributes(service.key()) == "0640 0:1");
}

TEST_CASE("receiver: clears up nothing where it is not the one at work") {
    const FakeService service;
    const auto installation = service.installation("1");
    const std::string bundle(deployers::to_bundle(installation).reveal());
    std::string work = deployers::work_directory(installation);
    std::string magic = "renewd-1";
    std::string words = "another deployment to this target is under way";
    base::SystemFiles files;
    const std::string locks = deployers::lock_directory(::geteuid());
    (void)files.make_directory(locks, 0700);
    const auto held = base::Lock::take(files, locks + "/" + deployers::target_lock_name(work));
    REQUIRE(held.has_value());
    SUBCASE("another run holds the lock") {}
    SUBCASE("no working directory") {
        work = service.tls() + "/any";
        words = "no directory to work in";
    }
    SUBCASE("no number") {
        magic = "renewd-1 x";
        words = "no number where one was due";
    }
    SUBCASE("another version") {
        magic = "renewd-0";
        words = "this receiver speaks version 1";
    }
    std::filesystem::create_directories(work + "/run");
    tests::spill(work + "/run/bundle", "theirs");
    base::Conversation receiver = talk();
    REQUIRE(receiver
                .send(magic + " install " + std::to_string(bundle.size()) + " " + base::sha256_hex(bundle) +
                      " 1 " + work + "\n" + bundle)
                .has_value());
    const base::Completed ended = receiver.finish(base::Milliseconds{15'000});
    CHECK(ended.out.find(words) != std::string::npos);
    CHECK(tests::slurp(work + "/run/bundle") == "theirs");
    CHECK(service.log() == "");
}

TEST_CASE("receiver: gives up at its deadline what it waits for, and leaves nothing") {
    const FakeService service;
    const auto installation = service.installation("1");
    const std::string bundle(deployers::to_bundle(installation).reveal());
    base::Conversation receiver = talk();
    REQUIRE(receiver
                .send("renewd-1 install " + std::to_string(bundle.size()) + " " + base::sha256_hex(bundle) +
                      " 1 " + deployers::work_directory(installation) + "\n" + bundle.substr(0, 100))
                .has_value());
    const auto answer = receiver.read_line(base::Milliseconds{10'000});
    REQUIRE(answer.has_value());
    CHECK(answer->text.find("damaged or cut short") != std::string::npos);
    CHECK(receiver.read_line(base::Milliseconds{5'000})->end);
    CHECK(service.names().empty());
}

TEST_CASE("receiver: an installation that breaks the rules is not even sent") {
    const FakeService service;
    auto installation = service.installation("1");
    installation.published[0].path = "/etc/../etc/passwd";
    for (const auto& result : {make_shell("exit 9")->install(installation).error(),
                               make_shell("exit 9")->inspect(installation).error()}) {
        CHECK(base::to_string(result.code) == "deploy/unsafe-path");
    }
}
