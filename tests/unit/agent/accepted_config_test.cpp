// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/accepted_config.hpp"

#include <fstream>

#include <doctest/doctest.h>

#include "agent/memory/agent_note.hpp"
#include "tests/unit/agent/configuration_files.hpp"

using agent::ConfigFiles;
using base::Instant;
using base::Seconds;

namespace {

constexpr Instant kNow{Seconds(1'800'000'000)};

ConfigFiles two_files() {
    return {.main = "/etc/renewd/renewd.toml",
            .texts = {{.path = "/etc/renewd/renewd.toml", .text = "[agent]\njobs = 2\n"},
                      {.path = "/etc/renewd/conf.d/a.toml", .text = "[dns]\npublic = false\n"}}};
}

base::Result<void> keep_two(base::Files& files, const std::string& state_dir, Instant at = kNow) {
    return agent::keep_accepted(files, state_dir, two_files(), at);
}

}  // namespace

TEST_CASE("accepted configuration: it is read as it was, with its own files named in what is wrong") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    CHECK_FALSE(agent::load_accepted(files, directory.path(), "/etc/renewd/renewd.toml"));
    REQUIRE(keep_two(files, directory.path()));
    const auto kept = agent::load_accepted(files, directory.path(), "/etc/renewd/renewd.toml");
    REQUIRE(kept);
    CHECK(kept->accepted_at == kNow);
    REQUIRE(kept->files.texts.size() == 2);
    CHECK(kept->files.texts[1].path == "/etc/renewd/conf.d/a.toml");
    CHECK(kept->files.texts[1].text == "[dns]\npublic = false\n");
    const auto config = agent::parse_config(kept->files);
    REQUIRE(config);
    CHECK(config->agent.jobs == 2);
    CHECK_FALSE(config->dns.is_public);
    CHECK_MESSAGE(!agent::load_accepted(files, directory.path(), "/root/other.toml"), "of another main file");
}

TEST_CASE("accepted configuration: a damaged one is none") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    REQUIRE(keep_two(files, directory.path()));
    const auto whole = base::read_file(files, directory / "accepted.toml", 100'000);
    REQUIRE(whole);
    for (const std::size_t size : {std::size_t{0}, whole->size() / 3, whole->size() - 1}) {
        std::ofstream(directory / "accepted.toml") << whole->substr(0, size);
        CHECK_FALSE(agent::load_accepted(files, directory.path(), "/etc/renewd/renewd.toml"));
    }
    REQUIRE(keep_two(files, directory.path()));
    CHECK(agent::load_accepted(files, directory.path(), "/etc/renewd/renewd.toml"));
}

TEST_CASE("accepted configuration: what is kept whole is left as it is, and anything else is replaced") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    REQUIRE(keep_two(files, directory.path()));
    const auto whole = base::read_file(files, directory / "accepted.toml", 100'000);
    REQUIRE(whole);
    const auto kept_at = [&] {
        const auto kept = agent::load_accepted(files, directory.path(), "/etc/renewd/renewd.toml");
        REQUIRE(kept);
        return kept->accepted_at;
    };
    const Instant later = kNow + Seconds(60);
    REQUIRE(keep_two(files, directory.path(), later));
    CHECK(kept_at() == kNow);
    for (std::size_t at = 0; at < whole->size(); ++at) {
        CAPTURE(at);
        std::string damaged = *whole;
        damaged[at] = damaged[at] == '1' ? '2' : '1';
        const bool is_when = damaged.find("accepted_at") < at && at < damaged.find("\"files\"");
        std::ofstream(directory / "accepted.toml") << damaged;
        REQUIRE(keep_two(files, directory.path(), later));
        if (!is_when) CHECK(kept_at() == later);
    }
    std::ofstream(directory / "accepted.toml") << *whole << "more";
    REQUIRE(keep_two(files, directory.path(), later));
    CHECK(kept_at() == later);
    ConfigFiles other = two_files();
    other.texts[1].text += "# changed\n";
    REQUIRE(agent::keep_accepted(files, directory.path(), other, later + Seconds(1)));
    CHECK(kept_at() == later + Seconds(1));
}

TEST_CASE("accepted configuration: where the state is, is found in a file that no parser reads") {
    const tests::ConfigurationFiles configuration;
    configuration.write("renewd.toml", "x = [\n[agent]\n  state_dir = \"/srv/renewd\" # here\njobs = \n");
    const auto found = agent::likely_state_directories(configuration.path("renewd.toml"));
    REQUIRE_FALSE(found.empty());
    CHECK(found.front() == "/srv/renewd");
    CHECK(found.back() == "/var/lib/renewd");
    configuration.write("renewd.toml", "agent = { state_dir = '/srv/inline' }\n");
    CHECK(agent::likely_state_directories(configuration.path("renewd.toml")) ==
          std::vector<std::string>{"/srv/inline"});
    CHECK(agent::likely_state_directories("/nonexistent").back() == "/var/lib/renewd");
    std::filesystem::create_symlink(configuration.path("renewd.toml"), configuration.path("link.toml"));
    CHECK(agent::state_directory_of(configuration.path("link.toml")) == "/srv/inline");
    configuration.write("renewd.toml", "x = [\nstate_dir = \"/srv/broken\"\n");
    CHECK(agent::state_directory_of(configuration.path("link.toml")) == "/srv/broken");
}

TEST_CASE("agent note: it is believed as long as its process runs") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    CHECK_FALSE(agent::read_note(files, directory.path()));
    const agent::AgentNote note{
        .since = kNow, .config_error = "renewd.toml:3:1: no", .config_accepted_at = kNow - Seconds(60)};
    REQUIRE(agent::write_note(files, directory.path(), note));
    CHECK(agent::read_note(files, directory.path()) == note);
    CHECK(agent::parse_note(agent::to_text(note)) == note);
    CHECK_FALSE(agent::parse_note(""));
    // The number of a process that is gone, or that another one has now.
    const auto text = base::read_file(files, directory / "agent.json", 100'000);
    REQUIRE(text);
    std::string other = *text;
    const auto place = other.find(R"("started": ")");
    REQUIRE(place != std::string::npos);
    other.insert(place + 12, "1");
    std::ofstream(directory / "agent.json") << other;
    CHECK_FALSE(agent::read_note(files, directory.path()));
    agent::remove_note(files, directory.path());
    CHECK_FALSE(agent::read_note(files, directory.path()));
}
