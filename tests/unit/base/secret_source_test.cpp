// SPDX-License-Identifier: Apache-2.0
#include "base/secret_source.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/unit/base/temporary_directory.hpp"

using base::read_secret;
using base::SecretSource;
using Kind = base::SecretSource::Kind;

namespace {

class Home {
  public:
    [[nodiscard]] std::string write(const std::string& name, const std::string& text,
                                    mode_t mode = 0600) const {
        const std::string path = directory_ / name;
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
        return path;
    }

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

  private:
    tests::TemporaryDirectory directory_;
};

SecretSource source(Kind kind, const std::string& name, std::vector<std::string> argv = {}) {
    return {.kind = kind, .name = name, .argv = std::move(argv), .key = "eab.key_file"};
}

std::string code_of(const base::Result<base::Secret>& secret) {
    return secret ? "ok" : std::string(base::to_string(secret.error().code));
}

}  // namespace

TEST_CASE("secret source: a file, without its one final newline") {
    const Home home;
    for (const auto& [text, secret] :
         {std::pair("s3cret", "s3cret"), std::pair("s3cret\n", "s3cret"), std::pair("s3cret\r\n", "s3cret"),
          std::pair("s3cret\n\n", "s3cret\n"), std::pair(" s3 cret ", " s3 cret ")}) {
        CHECK(read_secret(source(Kind::File, home.write("secret", text))).value().reveal() == secret);
    }
}

TEST_CASE("secret source: a file that others can read is refused, and not read") {
    const Home home;
    for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
        const std::string path = home.write("secret", "s3cret", mode);
        const auto secret = read_secret(source(Kind::File, path));
        CHECK(code_of(secret) == "config/secret-exposed");
        CHECK(secret.error().message ==
              "eab.key_file: " + path + " can be read by others;  chmod 600 " + path);
        std::filesystem::remove(path);
    }
}

TEST_CASE("secret source: missing, empty, too large, no file") {
    const Home home;
    for (const auto& [path, what] :
         {std::pair(home.path() + "/none", "none"), std::pair(home.write("empty", ""), "it is empty"),
          std::pair(home.write("newline", "\n"), "it is empty"),
          std::pair(home.write("large", std::string(65537, 'x')), "large"), std::pair(home.path(), "")}) {
        CAPTURE(path);
        const auto secret = read_secret(source(Kind::File, path));
        CHECK(code_of(secret) == "config/secret-unavailable");
        CHECK(secret.error().message.find(what) != std::string::npos);
        CHECK(secret.error().message.find("xxxx") == std::string::npos);
    }
    CHECK(code_of(read_secret({})) == "config/secret-unavailable");
}

TEST_CASE("secret source: a credential of systemd's") {
    const Home home;
    const std::string path = home.write("eab", "s3cret\n", 0440);  // as systemd makes them
    ::unsetenv("CREDENTIALS_DIRECTORY");
    const auto none = read_secret(source(Kind::Credential, "eab"));
    CHECK(code_of(none) == "config/secret-unavailable");
    CHECK(none.error().message.find("LoadCredential=") != std::string::npos);
    ::setenv("CREDENTIALS_DIRECTORY", home.path().c_str(), 1);
    CHECK(read_secret(source(Kind::Credential, "eab")).value().reveal() == "s3cret");
    CHECK(code_of(read_secret(source(Kind::Credential, "other"))) == "config/secret-unavailable");
    ::setenv("CREDENTIALS_DIRECTORY", "relative", 1);
    CHECK(code_of(read_secret(source(Kind::Credential, "eab"))) == "config/secret-unavailable");
    ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_CASE("secret source: a variable of the environment") {
    ::setenv("RENEWD_TEST_SECRET", "s3cret", 1);
    CHECK(read_secret(source(Kind::Environment, "RENEWD_TEST_SECRET")).value().reveal() == "s3cret");
    ::setenv("RENEWD_TEST_SECRET", "", 1);
    CHECK(code_of(read_secret(source(Kind::Environment, "RENEWD_TEST_SECRET"))) ==
          "config/secret-unavailable");
    ::unsetenv("RENEWD_TEST_SECRET");
    CHECK(code_of(read_secret(source(Kind::Environment, "RENEWD_TEST_SECRET"))) ==
          "config/secret-unavailable");
}

TEST_CASE("secret source: what a command prints, if it succeeds") {
    const auto said = [](const std::string& script) {
        return read_secret(source(Kind::Command, "", {"/bin/sh", "-c", script}));
    };
    CHECK(said("echo s3cret").value().reveal() == "s3cret");
    const auto failed = said("echo s3cret; echo vault is sealed >&2; exit 3");
    CHECK(code_of(failed) == "config/secret-unavailable");
    CHECK(failed.error().message.find("vault is sealed") != std::string::npos);
    CHECK(code_of(said("true")) == "config/secret-unavailable");
    CHECK(code_of(said("head -c 70000 /dev/zero | tr '\\0' x")) == "config/secret-unavailable");
    CHECK(code_of(read_secret(source(Kind::Command, "", {"/nonexistent/vault"}))) ==
          "config/secret-unavailable");
}

TEST_CASE("secret source: told by where it comes from, never by what it is") {
    CHECK(base::describe(source(Kind::File, "/etc/renewd/secret/eab")) == "file /etc/renewd/secret/eab");
    CHECK(base::describe(source(Kind::Credential, "eab")) == "credential eab");
    CHECK(base::describe(source(Kind::Environment, "CF_TOKEN")) == "variable CF_TOKEN");
    CHECK(base::describe(source(Kind::Command, "", {"pass", "show", "cf"})) == "command pass show cf");
    CHECK(base::describe({}) == "nothing");
}
