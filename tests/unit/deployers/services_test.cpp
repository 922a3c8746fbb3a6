// SPDX-License-Identifier: Apache-2.0
// Deployers as the pure functions they are, and the forms in which they write a generation.
#include <ostream>

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "deployers/deployer.hpp"
#include "deployers/formats.hpp"
#include "tests/unit/deployers/generations.hpp"

namespace {

using deployers::FixedPath;
using deployers::Form;
using deployers::Generation;
using deployers::Installation;
using deployers::Parameters;
using tests::make_generation;

Parameters include_parameters() {
    return {.target = "web",
            .include = "/etc/nginx/renewd/example.com.conf",
            .versions = "/etc/nginx/renewd/example.com.d",
            .group = "www-data",
            .mode = 0640,
            .test = {"nginx", "-t"},
            .reload = {"systemctl", "reload", "nginx"}};
}

std::string version_of(const Generation& generation) {
    return std::to_string(generation.number) + "-" + generation.chain.front().sha256().substr(0, 8);
}

}  // namespace

TEST_CASE("forms: what each holds, in its order, without blank lines") {
    Generation generation = make_generation(1);
    const std::string leaf = generation.chain[0].pem();
    const std::string intermediate = generation.chain[1].pem();
    const std::string key = generation.key_pem.reveal();
    const std::string fullchain = leaf + intermediate;
    generation.key_pem = base::Secret("\n" + key + "\r\n\n");

    struct Case {
        std::string_view name;
        Form form;
        bool key_first;
        std::string want;
    };

    for (const Case& c :
         {Case{.name = "fullchain", .form = Form::Fullchain, .key_first = false, .want = fullchain},
          Case{.name = "key", .form = Form::Key, .key_first = false, .want = key},
          Case{.name = "chain", .form = Form::Chain, .key_first = false, .want = intermediate},
          Case{.name = "cert", .form = Form::Cert, .key_first = false, .want = leaf},
          Case{.name = "combined", .form = Form::Combined, .key_first = false, .want = fullchain + key},
          Case{.name = "combined", .form = Form::Combined, .key_first = true, .want = key + fullchain}}) {
        CAPTURE(c.name);
        CHECK(deployers::render(c.form, generation, c.key_first).reveal() == c.want);
        CHECK(deployers::to_string(c.form) == c.name);
        CHECK(deployers::holds_key(c.form) == (c.want.find("PRIVATE KEY") != std::string::npos));
    }
    generation.chain.pop_back();
    CHECK(deployers::render(Form::Chain, generation).reveal() == "");
    CHECK(deployers::render(Form::Fullchain, generation).reveal() == leaf);
}

TEST_CASE("deployers: found by name") {
    CHECK(deployers::deployer_names() == std::vector<std::string_view>{"files", "nginx"});
    for (const std::string_view name : deployers::deployer_names()) {
        REQUIRE(deployers::find_deployer(name) != nullptr);
        CHECK(deployers::find_deployer(name)->name() == name);
    }
    CHECK(deployers::find_deployer("exim") == nullptr);
    CHECK(deployers::find_deployer("files")->defaults().reload.empty());
    CHECK(deployers::find_deployer("files")->defaults().ports.empty());
    CHECK_FALSE(deployers::find_deployer("files")->defaults().has_include);
    const auto nginx = deployers::find_deployer("nginx")->defaults();
    CHECK(nginx.test == std::vector<std::string>{"nginx", "-t"});
    CHECK(nginx.reload == std::vector<std::string>{"systemctl", "reload", "nginx"});
    CHECK(nginx.restart == std::vector<std::string>{"systemctl", "restart", "nginx"});
    CHECK(nginx.ports == std::vector<int>{443});
    CHECK(nginx.has_include);
}

TEST_CASE("nginx: an include file names one version, and is the only thing published") {
    const Generation wanted = make_generation(7);
    const Generation earlier = make_generation(6);
    const auto plan = deployers::find_deployer("nginx")->plan(wanted, {earlier}, include_parameters());
    REQUIRE(plan.has_value());
    const std::string version = "/etc/nginx/renewd/example.com.d/" + version_of(wanted);
    CHECK(plan->id == "example.com/web");
    REQUIRE(plan->staged.size() == 2);
    CHECK(plan->staged[0].path == version + "/fullchain.pem");
    CHECK(plan->staged[0].mode == 0644);
    CHECK(plan->staged[1].path == version + "/privkey.pem");
    CHECK(plan->staged[1].mode == 0640);
    CHECK(plan->staged[1].group == "www-data");
    CHECK(plan->staged[1].content.reveal() == wanted.key_pem.reveal());
    REQUIRE(plan->published.size() == 1);
    CHECK(plan->published[0].path == "/etc/nginx/renewd/example.com.conf");
    CHECK(plan->published[0].content.reveal() ==
          "# Written by renewd: generation 7 of the certificate example.com.\n"
          "# Replaced as a whole at each renewal: what is changed here is lost.\n"
          "ssl_certificate \"" +
              version +
              "/fullchain.pem\";\n"
              "ssl_certificate_key \"" +
              version + "/privkey.pem\";\n");
    CHECK(plan->versions_kept == std::vector<std::string>{version_of(wanted), version_of(earlier)});
    const auto before = deployers::find_deployer("nginx")->plan(earlier, {}, include_parameters());
    std::vector<deployers::FilePlan> files =
        before->staged;  // what the include file names has to be there, too
    files.push_back(before->published.front());
    CHECK(plan->known ==
          std::vector<std::vector<deployers::FileDigest>>{deployers::digests_of({.published = files})});
    CHECK(plan->reload == include_parameters().reload);
}

TEST_CASE("fixed paths: each file with its own owner and mode, in the order of the configuration") {
    const Generation wanted = make_generation(2);
    const Generation earlier = make_generation(1);
    const Parameters parameters{.target = "mail",
                                .paths = {{.form = Form::Combined,
                                           .path = "/etc/x/both.pem",
                                           .group = "mail",
                                           .mode = 0640,
                                           .key_first = true},
                                          {.form = Form::Fullchain, .path = "/etc/x/full.pem"},
                                          {.form = Form::Key, .path = "/etc/x/key.pem", .owner = "proxy"}},
                                .owner = "root",
                                .group = "ssl-cert"};
    for (const std::string_view name : {"files", "nginx"}) {
        CAPTURE(name);
        const auto plan = deployers::find_deployer(name)->plan(wanted, {earlier}, parameters);
        REQUIRE(plan.has_value());
        CHECK(plan->staged.empty());
        CHECK(plan->versions.empty());
        REQUIRE(plan->published.size() == 3);
        CHECK(plan->published[0].mode == 0640);
        CHECK(plan->published[0].group == "mail");
        CHECK(plan->published[0].content.reveal().starts_with("-----BEGIN PRIVATE KEY"));
        CHECK(plan->published[1].mode == 0644);
        CHECK(plan->published[1].group == "ssl-cert");
        CHECK(plan->published[2].mode == 0600);
        CHECK(plan->published[2].owner == "proxy");
        REQUIRE(plan->known.size() == 1);
        CHECK(plan->known[0][1].sha256 ==
              base::sha256_hex(deployers::render(Form::Fullchain, earlier).reveal()));
    }
}

TEST_CASE("deployers: what they do not plan") {
    struct Case {
        std::string_view name, deployer, code, words;
        Parameters parameters;
    };

    const FixedPath key{.form = Form::Key, .path = "/etc/x/key.pem"};
    Parameters both = include_parameters();
    both.paths = {key};
    Parameters half = include_parameters();
    half.versions.clear();
    Parameters open = include_parameters();
    open.mode = 0644;
    Parameters quote = include_parameters();
    quote.versions = "/etc/nginx/$host.d";
    const auto with = [&](FixedPath path) {
        return Parameters{.target = "t", .paths = {key, std::move(path)}};
    };
    for (const Case& c : {
             Case{.name = "no file",
                  .deployer = "files",
                  .code = "config/wrong-value",
                  .words = "names no file",
                  .parameters = {.target = "t"}},
             Case{.name = "files with include",
                  .deployer = "files",
                  .code = "config/wrong-value",
                  .words = "include file",
                  .parameters = include_parameters()},
             Case{.name = "include and paths",
                  .deployer = "nginx",
                  .code = "config/wrong-value",
                  .words = "no fixed path",
                  .parameters = both},
             Case{.name = "include without versions",
                  .deployer = "nginx",
                  .code = "config/wrong-value",
                  .words = "both",
                  .parameters = half},
             Case{.name = "key for everybody",
                  .deployer = "nginx",
                  .code = "config/wrong-value",
                  .words = "holds the private key",
                  .parameters = open},
             Case{.name = "combined for everybody",
                  .deployer = "files",
                  .code = "config/wrong-value",
                  .words = "holds the private key",
                  .parameters = with({.form = Form::Combined, .path = "/etc/c", .mode = 0604})},
             Case{.name = "no quoting",
                  .deployer = "nginx",
                  .code = "deploy/unsafe-path",
                  .words = "$host",
                  .parameters = quote},
             Case{.name = "relative",
                  .deployer = "files",
                  .code = "deploy/unsafe-path",
                  .words = "not absolute",
                  .parameters = with({.form = Form::Cert, .path = "etc/c"})},
             Case{.name = "upwards",
                  .deployer = "files",
                  .code = "deploy/unsafe-path",
                  .words = "normal form",
                  .parameters = with({.form = Form::Cert, .path = "/etc/../c"})},
             Case{.name = "twice",
                  .deployer = "files",
                  .code = "config/wrong-value",
                  .words = "written twice",
                  .parameters = with({.form = Form::Cert, .path = "/etc/x/key.pem"})},
             Case{.name = "owner as an option",
                  .deployer = "files",
                  .code = "config/wrong-value",
                  .words = "--reference",
                  .parameters = with({.form = Form::Cert, .path = "/c", .owner = "--reference"})},
         }) {
        CAPTURE(c.name);
        const auto plan = deployers::find_deployer(c.deployer)->plan(make_generation(1), {}, c.parameters);
        REQUIRE_FALSE(plan.has_value());
        CHECK(base::to_string(plan.error().code) == c.code);
        CHECK(plan.error().message.find(c.words) != std::string::npos);
    }
}

TEST_CASE("layouts: a generation without a key goes where no key is wanted, and is refused elsewhere") {
    Generation generation = make_generation(2);
    generation.key_pem = {};
    generation.request_key = base::sha256_hex(generation.chain.front().public_key_der());
    const Generation with_key = make_generation(1);

    struct Case {
        std::string_view key;  // the one that is refused; empty: none
        std::vector<FixedPath> paths;
    };

    for (const Case& c :
         {Case{"", {{.form = Form::Fullchain, .path = "/tls/a.crt"}}},
          Case{"",
               {{.form = Form::Cert, .path = "/tls/a.crt"}, {.form = Form::Chain, .path = "/tls/chain.crt"}}},
          Case{"key",
               {{.form = Form::Fullchain, .path = "/tls/a.crt"}, {.form = Form::Key, .path = "/tls/a.key"}}},
          Case{"combined", {{.form = Form::Combined, .path = "/tls/a.pem"}}}, Case{"include", {}}}) {
        CAPTURE(c.key);
        Parameters parameters = include_parameters();
        if (!c.paths.empty()) parameters = {.target = "web", .paths = c.paths};
        CHECK(deployers::key_with_private_key(parameters) == c.key);
        const auto* nginx = deployers::find_deployer("nginx");
        CHECK(nginx->plan(with_key, {generation}, parameters));
        const auto plan = nginx->plan(generation, {with_key}, parameters);
        CHECK(plan.has_value() == c.key.empty());
        Generation same_key = make_generation(1);
        same_key.request_key = generation.request_key;
        if (plan) {
            // With another key at the service, the files of an earlier generation are no sound state.
            CHECK(plan->known.empty());
            CHECK(nginx->plan(generation, {same_key, with_key}, parameters)->known.size() == 1);
        }
        if (plan) {
            CHECK(plan->published.size() == c.paths.size());
            for (const auto& file : plan->published)
                CHECK(file.content.reveal().find("PRIVATE KEY") == std::string::npos);
        } else {
            CHECK(base::to_string(plan.error().code) == "config/wrong-value");
            CHECK(plan.error().message == "target web: \"" + std::string(c.key) +
                                              "\" would hold the private key, and generation 2 has none: it "
                                              "was issued for a request of the user's own");
        }
    }
}
