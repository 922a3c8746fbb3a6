// SPDX-License-Identifier: Apache-2.0
#include "hooks/plugin.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/base/temporary_directory.hpp"

namespace {

using nlohmann::json;

/// A directory of plugins, as an administrator would make it.
class Plugins {
  public:
    [[nodiscard]] std::string add(const std::string& name, const std::string& script,
                                  mode_t mode = 0755) const {
        const std::string path = directory_ / name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        return path;
    }

    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(directory_ / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    [[nodiscard]] base::Result<std::string> find(const std::string& name,
                                                 const std::string& below = {}) const {
        base::SystemFiles files;
        return hooks::find_plugin(files, {directory_ / "none", directory_.path() + below}, "dns", name);
    }

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

    [[nodiscard]] std::string operator/(const std::string& name) const { return directory_ / name; }

  private:
    tests::TemporaryDirectory directory_;
};

base::Result<hooks::PluginAnswer> ask(const std::string& program,
                                      base::Milliseconds patience = base::Milliseconds(10'000)) {
    return hooks::ask_plugin({.program = program, .op = "present", .patience = patience},
                             json{{"fqdn", "_acme-challenge.example.com."}});
}

std::string code_of(const auto& result) {
    return result ? "" : std::string(base::to_string(result.error().code));
}

std::string message_of(const auto& result) {
    return result ? "" : result.error().message;
}

/// Is the process gone, or going, after a SIGKILL? The kernel takes a moment.
bool is_gone(const std::string& process) {
    const std::string link = "/proc/" + process.substr(0, process.find('\n')) + "/exe";
    for (int tries = 0; tries < 200 && std::filesystem::exists(link); ++tries)
        base::SystemClock().sleep(base::Milliseconds(10));
    return !std::filesystem::exists(link);
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("plugin: the first directory that has it wins, and a missing one is told with the places") {
    const Plugins plugins;
    base::SystemFiles files;
    const std::string first = plugins.add("a/renewd-dns-mine", "");
    const std::string second = plugins.add("b/renewd-dns-mine", "");
    CHECK(hooks::find_plugin(files, {plugins / "a", plugins / "b"}, "dns", "mine").value() == first);
    CHECK(hooks::find_plugin(files, {plugins / "gone", plugins / "b"}, "dns", "mine").value() == second);
    const auto missing = hooks::find_plugin(files, {plugins / "a"}, "deploy", "mine");
    CHECK(code_of(missing) == "process/not-started");
    CHECK(message_of(missing) == "there is no plugin renewd-deploy-mine in " + plugins / "a");
    CHECK(hooks::plugin_directories({"/opt/plugins"}) ==
          std::vector<std::string>{"/usr/lib/renewd/plugins", "/etc/renewd/plugins", "/opt/plugins"});
}

TEST_CASE("plugin: a name that is no name is refused before it becomes a path") {
    const Plugins plugins;
    for (const std::string name : {"", "../mine", "a/b", "-x", "Mine", "a b", "a;b", "a.b"}) {
        CAPTURE(name);
        CHECK(code_of(plugins.find(name)) == "config/wrong-value");
    }
    CHECK(code_of(plugins.find(std::string(65, 'a'))) == "config/wrong-value");
}

TEST_CASE("plugin: one that others can change is not run, and the message says what to type") {
    const Plugins plugins;
    const std::string path = plugins.add("renewd-dns-mine", "", 0775);
    const auto group = plugins.find("mine");
    CHECK(code_of(group) == "plugin/unsafe");
    CHECK(message_of(group) == path + " can be changed by others");
    CHECK(group.error().hint == "chmod go-w " + path);
    REQUIRE(::chmod(path.c_str(), 0757) == 0);
    CHECK(code_of(plugins.find("mine")) == "plugin/unsafe");
    REQUIRE(::chmod(path.c_str(), 0700) == 0);
    CHECK(plugins.find("mine").value() == path);
    REQUIRE(::chmod(path.c_str(), 0644) == 0);
    const auto plain = plugins.find("mine");
    CHECK(code_of(plain) == "process/not-started");
    CHECK(plain.error().hint == "chmod +x " + path);
}

TEST_CASE("plugin: what belongs to somebody else is not run, be it the file, a link to it or a directory") {
    const Plugins plugins;
    const std::string path = plugins.add("lib/real", "");
    std::filesystem::create_symlink("lib/real", plugins / "renewd-dns-mine");
    for (const std::string& foreign : {path, plugins / "lib", plugins / "renewd-dns-mine"}) {
        CHECK(plugins.find("mine"));
        REQUIRE(::lchown(foreign.c_str(), 12345, 0) == 0);
        const auto unsafe = plugins.find("mine");
        CHECK(code_of(unsafe) == "plugin/unsafe");
        CHECK(has(message_of(unsafe), foreign + " belongs to somebody else (user id 12345)"));
        CHECK(unsafe.error().hint ==
              (std::filesystem::is_symlink(foreign) ? "chown -h root " : "chown root ") + foreign);
        REQUIRE(::lchown(foreign.c_str(), 0, 0) == 0);
    }
}

TEST_CASE("plugin: a directory above it that others can change is as unsafe as the file") {
    const Plugins plugins;
    static_cast<void>(plugins.add("open/inner/renewd-dns-mine", ""));
    CHECK(plugins.find("mine", "/open/inner"));
    REQUIRE(::chmod((plugins / "open").c_str(), 0775) == 0);
    const auto unsafe = plugins.find("mine", "/open/inner");
    CHECK(code_of(unsafe) == "plugin/unsafe");
    CHECK(unsafe.error().hint == "chmod go-w " + plugins / "open");
}

TEST_CASE("plugin: a link is judged by every place it leads through") {
    const Plugins plugins;
    const std::string safe = plugins.add("lib/real", "");
    std::filesystem::create_symlink("lib/real", plugins / "renewd-dns-direct");
    CHECK(plugins.find("direct").value() == safe);

    std::filesystem::create_directory(plugins / "open");
    std::filesystem::create_symlink("../lib/real", plugins / "open/hop");
    std::filesystem::create_symlink("open/hop", plugins / "renewd-dns-hop");
    CHECK(plugins.find("hop").value() == safe);
    REQUIRE(::chmod((plugins / "open").c_str(), 0777) == 0);
    CHECK(code_of(plugins.find("hop")) == "plugin/unsafe");

    static_cast<void>(plugins.add("open/real", ""));
    std::filesystem::create_symlink(plugins / "open/real", plugins / "renewd-dns-out");
    CHECK(code_of(plugins.find("out")) == "plugin/unsafe");

    std::filesystem::create_symlink("renewd-dns-loop", plugins / "renewd-dns-loop");
    CHECK(code_of(plugins.find("loop")) == "plugin/unsafe");
    std::filesystem::create_symlink("gone", plugins / "renewd-dns-broken");
    CHECK(code_of(plugins.find("broken")) == "file/not-found");
}

TEST_CASE("plugin: the request is one JSON object on stdin, and the answer comes back with the log") {
    const Plugins plugins;
    const std::string path = plugins.add(
        "p",
        "cat > '" + plugins / "stdin" + "'; env | sort > '" + plugins / "env" + "'; echo \"$#\" > '" +
            plugins / "argc" +
            "'; printf 'one\\n\\033[31mtwo\\n' >&2; echo '{\"version\":1,\"ok\":true,\"wait\":\"30s\"}'");
    const auto answer = hooks::ask_plugin({.program = path,
                                           .op = "deploy",
                                           .id = "r1",
                                           .deadline = base::parse_instant("2026-11-21T12:00:00Z"),
                                           .environment = {{"ZONE_TOKEN", "s"}}},
                                          json{{"generation", 3}});
    REQUIRE(answer);
    CHECK(json::parse(answer->reply).at("wait") == "30s");
    CHECK(answer->log == "one\n?[31mtwo\n");
    const std::string request = plugins.read("stdin");
    CHECK(json::parse(request) == json{{"version", 1},
                                       {"op", "deploy"},
                                       {"id", "r1"},
                                       {"deadline", "2026-11-21T12:00:00Z"},
                                       {"generation", 3}});
    CHECK(std::count(request.begin(), request.end(), '\n') == 1);
    CHECK(plugins.read("argc") == "0\n");
    const std::string environment = plugins.read("env");
    CHECK(has(environment, "ZONE_TOKEN=s\n"));
    CHECK(has(environment, "LANG=C.UTF-8\n"));
}

TEST_CASE("plugin: replies") {
    const hooks::PluginCall call{.program = "/p", .op = "present"};
    const auto code = [&](std::string_view printed) { return code_of(hooks::parse_reply(printed, call)); };
    CHECK(code(R"({"version":1,"ok":true})").empty());
    CHECK(code(" {\"ok\":true,\"more\":[1]} \r\n").empty());
    CHECK(code("") == "provider/protocol");
    CHECK(code("\n \n") == "provider/protocol");
    CHECK(code("done") == "provider/protocol");
    CHECK(code("done\n{\"ok\":true}") == "provider/protocol");
    CHECK(code("{\"ok\":true}\ndone") == "provider/protocol");
    CHECK(code("{\"ok\":true}{\"ok\":true}") == "provider/protocol");
    CHECK(code("[{\"ok\":true}]") == "provider/protocol");
    CHECK(code("true") == "provider/protocol");
    CHECK(code("{}") == "provider/protocol");
    CHECK(code("{\"ok\":\"true\"}") == "provider/protocol");
    CHECK(code("{\"ok\":1}") == "provider/protocol");
    CHECK(code("{\"ok\":null}") == "provider/protocol");
    CHECK(code("{\"version\":2,\"ok\":true}") == "provider/protocol");
    CHECK(code("{\"version\":\"1\",\"ok\":true}") == "provider/protocol");
    CHECK(code("{\"ok\":false}") == "provider/failed");
    CHECK(code("{\"ok\":tru") == "provider/protocol");
    CHECK(code(std::string("{\"ok\":true}\0", 12)) == "provider/protocol");
    CHECK(code("{\"ok\":true,\"x\":\"" + std::string(hooks::kReplyBytesMax, 'x') + "\"}") ==
          "provider/protocol");
    CHECK(code("{\"ok\":true,\"x\":" + std::string(30'000, '[') + std::string(30'000, ']') + "}").empty());
    const auto failed = hooks::parse_reply("{\"ok\":false,\"message\":\"no zone\\u001b[31m\"}", call);
    CHECK(message_of(failed) == "plugin /p, present: no zone?[31m");
}

TEST_CASE("plugin: the answer to describe has no ok, and codes are the caller's") {
    const hooks::PluginCall describe{.program = "/p", .op = "describe"};
    CHECK(hooks::parse_reply(R"({"version":1,"name":"mine","ops":["present","cleanup"]})", describe));
    CHECK(code_of(hooks::parse_reply(R"({"ok":false})", describe)) == "provider/failed");
    const hooks::PluginCall deploy{.program = "/p",
                                   .op = "deploy",
                                   .failed = base::Code::DeployReloadFailed,
                                   .protocol = base::Code::DeployOutcomeUnknown};
    CHECK(code_of(hooks::parse_reply(R"({"ok":false})", deploy)) == "deploy/reload-failed");
    CHECK(code_of(hooks::parse_reply("", deploy)) == "deploy/outcome-unknown");
}

TEST_CASE("plugin: both the exit status and the reply must say that it went well") {
    const Plugins plugins;
    const auto lies = ask(plugins.add("lies", "echo '{\"ok\":true}'; echo 'no route to host' >&2; exit 3"));
    CHECK(code_of(lies) == "provider/failed");
    CHECK(message_of(lies) == "plugin " + plugins / "lies" + ", present: exit 3: no route to host");
    CHECK(code_of(ask(plugins.add("silent", "exit 0"))) == "provider/protocol");
    CHECK(code_of(ask(plugins.add("honest", "echo '{\"ok\":false,\"message\":\"denied\"}'"))) ==
          "provider/failed");
    CHECK(code_of(ask(plugins / "gone")) == "process/not-started");
    // It need not read what it does not want.
    CHECK(ask(plugins.add("deaf", "exec <&-; echo '{\"ok\":true}'")));
}

TEST_CASE("plugin: a flood on stdout is a failure, on stderr it is cut short") {
    const Plugins plugins;
    const std::string flood = "dd if=/dev/zero bs=1024 count=300 2>/dev/null | tr '\\0' x";
    CHECK(code_of(ask(plugins.add("out", flood))) == "provider/protocol");
    const auto loud = ask(plugins.add("err", flood + " >&2; echo '{\"ok\":true}'"));
    REQUIRE(loud);
    CHECK(loud->log.size() < 1024);
}

TEST_CASE("plugin: one that hangs is killed with everything it started") {
    const Plugins plugins;
    const std::string path = plugins.add("slow", "sleep 600 & echo $! > '" + plugins / "child" + "'; wait");
    const auto slow = ask(path, base::Milliseconds(300));
    CHECK(code_of(slow) == "provider/failed");
    CHECK(has(message_of(slow), "took longer than 300 ms"));
    CHECK(is_gone(plugins.read("child")));
}

TEST_CASE("plugin: what it leaves running does not hold us up and does not outlive it") {
    const Plugins plugins;
    const std::string path =
        plugins.add("forks", "sleep 600 & echo $! > '" + plugins / "child" + "'; echo '{\"ok\":true}'");
    CHECK(ask(path));
    CHECK(is_gone(plugins.read("child")));
}
