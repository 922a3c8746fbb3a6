// SPDX-License-Identifier: Apache-2.0
// A host over a real SSH connection: the contract, the ways in which it is not reached, and what remains over
// there when the client is killed. Needs root, sshd, sudo and useradd.
#include <ostream>
#include <stdexcept>

#include <doctest/doctest.h>

#include "base/clock.hpp"
#include "base/encoding.hpp"
#include "deployers/hosts/ssh.hpp"
#include "tests/unit/deployers/host_conformance.hpp"
#include "tests/unit/deployers/sshd.hpp"

namespace {

using base::Milliseconds;
using deployers::SshDestination;
using tests::FakeService;
using tests::InstallOutcome;
using tests::sshd;

/// An account of a test's own, without a password.
class Account {
  public:
    Account() : name_("renewd-test-" + std::to_string(::getpid())) {
        tests::run_or_throw({"useradd", "-r", "-M", "-d", home_.path(), "-s", "/bin/sh", "-p", "*", name_});
        tests::run_or_throw({"chown", name_, home_.path()});
    }

    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;

    ~Account() {
        std::filesystem::remove("/etc/sudoers.d/" + name_);
        // Its last process, sshd's own, takes a moment to end after the connection has.
        base::SystemClock clock;
        for (int i = 0; i < 100; ++i) {
            const auto removed = base::run({.argv = {"userdel", name_}});
            if (removed && removed->ok()) return;
            clock.sleep(Milliseconds{50});
        }
        (void)base::run({.argv = {"userdel", "--force", name_}});
    }

    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] const std::string& home() const { return home_.path(); }

    [[nodiscard]] SshDestination destination(bool sudo) const {
        SshDestination destination = sshd().destination();
        destination.user = name_;
        destination.sudo = sudo;
        return destination;
    }

    void allow(const std::string& line) const {
        const std::string path = "/etc/sudoers.d/" + name_;
        tests::spill(path, line + "\n", 0440);
        tests::run_or_throw({"visudo", "-c", "-f", path});
    }

  private:
    std::string name_;
    tests::TemporaryDirectory home_;
};

base::Error refusal(const SshDestination& destination) {
    const FakeService service;
    const auto session = deployers::make_ssh_host(destination)->install(service.installation("1"));
    REQUIRE_FALSE(session.has_value());
    CHECK(service.names().empty());
    CHECK(session.error().message.find("nothing was sent") != std::string::npos);
    return session.error();
}

/// ssh, killed without a warning after some time; its end of the conversation stays open.
base::Conversation start_doomed(const std::string& seconds) {
    std::vector<std::string> argv{"timeout", "-s", "KILL", seconds};
    const SshDestination destination = sshd().destination();
    const std::string known_hosts = sshd().path() + "/known_hosts";
    tests::spill(known_hosts, deployers::known_hosts_of(destination).value());
    for (std::string& word :
         deployers::ssh_argv(destination, known_hosts, deployers::remote_command(false))) {
        argv.push_back(std::move(word));
    }
    auto started = base::Conversation::start({.argv = argv});
    REQUIRE(started.has_value());
    base::Conversation client = std::move(started).value();
    REQUIRE(client.read_line(Milliseconds{10'000})->text == "renewd-1 ready");
    return client;
}

std::string request_for(const deployers::Installation& installation) {
    const std::string bundle = deployers::to_bundle(installation).reveal();
    return "renewd-1 install " + std::to_string(bundle.size()) + " " + base::sha256_hex(bundle) + " " +
           std::to_string(installation.deadline.count()) + " " + deployers::work_directory(installation) +
           "\n" + bundle;
}

}  // namespace

TEST_CASE("ssh host: keeps the contract of hosts") {
    tests::check_conformance([] { return deployers::make_ssh_host(sshd().destination()); });
}

TEST_CASE("ssh host: another host key than the pinned one") {
    SshDestination destination = sshd().destination();
    const std::string true_key = destination.host_keys.front();
    destination.host_keys = {tests::make_ssh_key(tests::TemporaryDirectory() / "other")};
    const base::Error error = refusal(destination);
    CHECK(base::to_string(error.code) == "host/key-changed");
    CHECK(error.message.find("shows " + deployers::fingerprint(true_key)) != std::string::npos);
    CHECK(error.message.find("pinned is " + deployers::fingerprint(destination.host_keys.front())) !=
          std::string::npos);
    CHECK(error.hint.find("host_key") != std::string::npos);
}

TEST_CASE("ssh host: a host key nobody has pinned or seen") {
    SshDestination destination = sshd().destination();
    destination.host_keys.clear();
    CHECK(base::to_string(refusal(destination).code) == "host/key-unknown");
}

TEST_CASE("ssh host: nobody listens") {
    SshDestination destination = sshd().destination();
    destination.port = tests::free_port();
    CHECK(base::to_string(refusal(destination).code) == "host/unreachable");
    destination.host = "no-such-host.invalid";
    CHECK(base::to_string(refusal(destination).code) == "host/unreachable");
}

TEST_CASE("ssh host: somebody listens and says nothing") {
    const base::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) throw std::runtime_error("no socket");
    SshDestination destination = sshd().destination();
    destination.port = tests::free_port();
    destination.connect_deadline = base::Seconds{1};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(destination.port));
    REQUIRE(::bind(socket.number(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(socket.number(), 4) == 0);
    CHECK(base::to_string(refusal(destination).code) == "host/timeout");
}

TEST_CASE("ssh host: the login is refused") {
    const tests::TemporaryDirectory directory;
    SshDestination destination = sshd().destination();
    (void)tests::make_ssh_key(directory / "stranger");
    destination.identity_file = directory / "stranger";
    CHECK(base::to_string(refusal(destination).code) == "host/login-refused");
    destination.identity_file = "";
    const base::Error error = refusal(destination);
    CHECK(base::to_string(error.code) == "host/login-refused");
    CHECK(error.hint.find("set identity_file") != std::string::npos);
}

TEST_CASE("ssh host: with a pinned key nothing of the user's own set-up is opened") {
    const FakeService service;
    const tests::TemporaryDirectory directory;
    SshDestination destination = sshd().destination();
    const std::string known_hosts = directory / "known_hosts";
    tests::spill(known_hosts, deployers::known_hosts_of(destination).value());
    std::vector<std::string> argv{"strace", "-f", "-e", "trace=openat,connect", "-o", directory / "trace"};
    for (std::string& word : deployers::ssh_argv(destination, known_hosts, "true"))
        argv.push_back(std::move(word));
    const auto done = base::run({.argv = argv, .environment = {{"SSH_AUTH_SOCK", directory / "agent"}}});
    REQUIRE(done.has_value());
    CHECK(done->exit_code == 0);
    const std::string trace = tests::slurp(directory / "trace");
    CHECK(trace.find(known_hosts) != std::string::npos);
    CHECK(trace.find("/.ssh/") == std::string::npos);
    CHECK(trace.find("ssh_config") == std::string::npos);
    CHECK(trace.find("/agent") == std::string::npos);
}

TEST_CASE("ssh host: killed in the middle of the transfer, nothing is published and nothing stays") {
    const FakeService service;
    service.hold("1");
    const std::string request = request_for(service.installation("2"));
    base::Conversation client = start_doomed("2");
    REQUIRE(client.send(request.substr(0, request.size() - 3)).has_value());
    CHECK(client.read_line(Milliseconds{5'000})->end);  // its stdin is still open: it has been killed
    CHECK(sshd().falls_silent(service.path(), Milliseconds{8'000}));
    CHECK(tests::slurp(service.cert()) == "certificate 1");
    CHECK(service.log() == "");
    CHECK(service.names() == tests::Names{"cert", "key"});
}

TEST_CASE("ssh host: killed during the reload, what is proven stays") {
    const FakeService service;
    service.hold("1");
    auto installation = service.installation("2", {"1"});
    installation.reload = {"/bin/sh", "-c", "sleep 3; echo reloaded >>" + service.path() + "/log"};
    base::Conversation client = start_doomed("2");
    REQUIRE(client.send(request_for(installation)).has_value());
    CHECK(client.read_line(Milliseconds{5'000})->end);
    CHECK(sshd().has_processes(service.path()));  // the reload goes on over there
    CHECK(sshd().falls_silent(service.path(), Milliseconds{10'000}));
    CHECK(service.log() == "test certificate 1\ntest certificate 2\nreloaded\n");
    CHECK(tests::slurp(service.key()) == "key 2");
    CHECK(service.names() == tests::Names{"cert", "key"});
}

TEST_CASE("ssh host: the other side ends at its deadline, whatever the client does") {
    const FakeService service;
    auto installation = service.installation("1");
    installation.deadline = base::Seconds{2};
    installation.command_deadline = base::Seconds{1};
    const auto session = deployers::make_ssh_host(sshd().destination())->install(installation);
    REQUIRE(session.has_value());
    CHECK(session.value()->report().outcome == InstallOutcome::Installed);
    CHECK(sshd().falls_silent("no such mark", Milliseconds{8'000}));
    CHECK(tests::slurp(service.key()) == "key 1");
    CHECK(service.names() == tests::Names{"cert", "key"});
    const auto late = session.value()->restore();
    REQUIRE_FALSE(late.has_value());
    CHECK(base::to_string(late.error().code) == "deploy/outcome-unknown");
    CHECK(tests::slurp(service.key()) == "key 1");
}

TEST_CASE("ssh host: an account that may run exactly this as root") {
    const Account account;
    const FakeService service;
    const auto installation = service.installation("1");
    const auto before = deployers::make_ssh_host(account.destination(/*sudo=*/true))->install(installation);
    REQUIRE_FALSE(before.has_value());
    CHECK(base::to_string(before.error().code) == "host/sudo-refused");
    account.allow(deployers::sudoers_line(account.name()));
    const auto session = deployers::make_ssh_host(account.destination(/*sudo=*/true))->install(installation);
    if (!session) FAIL(session.error().message);
    CHECK(session.value()->report().outcome == InstallOutcome::Installed);
    REQUIRE(session.value()->commit().has_value());
    CHECK(tests::attributes(service.key()) == "0600 0:0");
    CHECK(sshd().falls_silent(service.path(), Milliseconds{5'000}));
    const auto other = base::run({.argv = {"setpriv", "--reuid", account.name(), "--clear-groups", "sudo",
                                           "-n", "/bin/sh", "-c", "id", "renewd"}});
    CHECK_FALSE(other->ok());
}

TEST_CASE("ssh host: an ordinary account in a directory of its own") {
    const Account account;
    const FakeService service;
    tests::run_or_throw({"chown", "-R", account.name(), service.tls()});
    auto installation = service.installation("1");
    installation.test = installation.reload = installation.restart = {};
    const auto host = deployers::make_ssh_host(account.destination(/*sudo=*/false));
    const auto refused = host->install(installation);
    if (!refused) FAIL(refused.error().message);
    CHECK(refused.value()->report().outcome == InstallOutcome::WriteFailed);
    CHECK(refused.value()->report().message.find("cannot be given to root:root") != std::string::npos);
    for (auto& file : installation.published) file.owner = file.group = account.name();
    installation.published[1].mode = 0400;
    const auto session = host->install(installation);
    if (!session) FAIL(session.error().message);
    CHECK(session.value()->report().outcome == InstallOutcome::Installed);
    REQUIRE(session.value()->commit().has_value());
    const std::string owner = tests::run_or_throw({"stat", "-c", "%U %a", service.key()});
    CHECK(owner == account.name() + " 400\n");
    CHECK(service.names() == tests::Names{"cert", "key"});
    // Nobody else can have made it first.
    CHECK(std::filesystem::is_directory(account.home() + "/.renewd-locks"));
    tests::run_or_throw({"chown", "root", account.home() + "/.renewd-locks"});
    const auto elsewhere = host->install(installation);
    REQUIRE_FALSE(elsewhere.has_value());
    CHECK(base::to_string(elsewhere.error().code) == "deploy/unsafe-path");
    CHECK(elsewhere.error().message.find(account.home() + "/.renewd-locks") != std::string::npos);
}
