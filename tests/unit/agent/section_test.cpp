// SPDX-License-Identifier: Apache-2.0
// The secret family of a table: where a secret comes from, and what is refused before anybody reads it.
#include "agent/config/section.hpp"

#include <fstream>
#include <ostream>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/unit/base/temporary_directory.hpp"

namespace {

struct Read {
    std::optional<base::SecretSource> source{};
    std::string problems{};
};

/// Reads the secret "token" of a table; unknown keys are told, too.
Read read(const std::string& text) {
    const toml::table table = toml::parse(text);
    agent::Problems problems;
    agent::Section section(table, "[solver.dns]", problems);
    Read done{.source = section.secret("token")};
    section.finish();
    for (const base::Error& error : std::move(problems).take())
        done.problems += "[" + std::string(base::to_string(error.code)) + "] " + error.message + "\n";
    return done;
}

}  // namespace

TEST_CASE("section: a secret comes from a file, a credential, a variable or a command") {
    const tests::TemporaryDirectory directory;
    const std::string path = directory / "token";
    std::ofstream(path) << "s3cret";
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    using Kind = base::SecretSource::Kind;

    const Read file = read("token_file = \"" + path + "\"");
    CHECK(file.problems == "");
    REQUIRE(file.source);
    CHECK(*file.source ==
          base::SecretSource{.kind = Kind::File, .name = path, .key = R"("token_file" in [solver.dns])"});

    CHECK(read("token_credential = \"cf\"").source.value().kind == Kind::Credential);
    CHECK(read("token_env = \"CF_TOKEN\"").source.value().name == "CF_TOKEN");
    CHECK(read(R"(token_command = ["pass", "show", "cf"])").source.value().argv ==
          std::vector<std::string>{"pass", "show", "cf"});

    const Read none = read("");
    CHECK_FALSE(none.source);
    CHECK(none.problems == "");
}

TEST_CASE("section: what is no way to give a secret is told, and the secret is not repeated") {
    const tests::TemporaryDirectory directory;
    const std::string path = directory / "token";
    std::ofstream(path) << "s3cret";
    REQUIRE(::chmod(path.c_str(), 0644) == 0);

    const struct {
        std::string text;
        std::string says;
    } cases[] = {
        {"token = \"s3cret\"",
         "[config/wrong-value] configuration:1:9: \"token\" in [solver.dns]: is a secret, which does not "
         "stand in "
         "the configuration; accepted: token_file, token_credential, token_env, token_command\n"},
        {"token_env = \"A\"\ntoken_command = [\"b\"]",
         "[config/conflict] configuration:2:17: \"token_command\" in [solver.dns]: stands beside "
         "\"token_env\"; "
         "one of them is enough\n"},
        {"token_file = \"" + path + "\"",
         "[config/secret-exposed] configuration:1:14: \"token_file\" in "
         "[solver.dns]: " +
             path + " can be read by others;  chmod 600 " + path + "\n"},
        {"token_file = \"" + path + ".gone\"", "[config/secret-unavailable] "},
        {"token_file = \"token\"", "must be an absolute path"},
        {"token_file = \"\"", "is empty; name a file"},
        {"token_env = \"A=B\"", "is no name of an environment variable"},
        {"token_env = \"\"", "is no name of an environment variable"},
        {"token_credential = \"../cf\"", "is no name of a credential"},
        {"token_command = \"pass show cf\"", "needs a program and its arguments as a list"},
        {"token_command = []", "is empty; name a program"},
        {"token_fiel = \"/x\"", "did you mean \"token_file\"?"},
    };

    for (const auto& each : cases) {
        CAPTURE(each.text);
        const Read done = read(each.text);
        CHECK_FALSE(done.source);
        CHECK_MESSAGE(done.problems.find(each.says) != std::string::npos, done.problems);
        CHECK(done.problems.find("s3cret") == std::string::npos);
    }
}
