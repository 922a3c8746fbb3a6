// SPDX-License-Identifier: Apache-2.0
// What root writes for somebody else: certificates, keys, and include files that name them. Nothing that a
// service would obey.
#include "deployers/hosts/contents.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "deployers/deployer.hpp"
#include "tests/unit/deployers/generations.hpp"

namespace {

using deployers::Installation;

const deployers::Generation& generation() {
    static const deployers::Generation made = tests::make_generation(3);
    return made;
}

Installation plan(const deployers::Parameters& parameters) {
    return deployers::find_deployer("nginx")->plan(generation(), {}, parameters).value();
}

Installation with_include() {
    return plan(
        {.target = "web", .include = "/etc/nginx/renewd/a.conf", .versions = "/etc/nginx/renewd/a.d"});
}

/// One file of this content.
Installation one(const std::string& content, int mode = 0600) {
    return {.id = "a/b",
            .published = {{.path = "/etc/tls/a", .content = base::Secret(content), .mode = mode}}};
}

std::string refusal(const Installation& installation) {
    const auto checked = deployers::check_contents(installation);
    if (checked) return {};
    CHECK(base::to_string(checked.error().code) == "deploy/not-allowed");
    return checked.error().message;
}

}  // namespace

TEST_CASE("contents: all that a deployer of ours writes passes") {
    CHECK(refusal(with_include()) == "");
    deployers::Parameters fixed{.target = "web"};
    for (const deployers::Form form :
         {deployers::Form::Fullchain, deployers::Form::Key, deployers::Form::Chain, deployers::Form::Cert,
          deployers::Form::Combined}) {
        fixed.paths.push_back({.form = form, .path = "/etc/tls/" + std::string(to_string(form))});
    }
    CHECK(refusal(plan(fixed)) == "");
}

TEST_CASE("contents: what is no PEM, or more than PEM") {
    const std::string leaf = generation().chain.front().pem();
    const std::string key = generation().key_pem.reveal();

    struct Case {
        std::string_view name;
        std::string content;
        std::string_view words;
    };

    for (const Case& c :
         {Case{"nothing", "", "is empty"}, Case{"a crontab", "* * * * * root id\n", "is not PEM"},
          Case{"a remark before", "#!/bin/sh\n" + leaf, "is not PEM"},
          Case{"a directive after", leaf + "load_module /tmp/evil.so;\n", "is not PEM"},
          Case{"an empty line between", leaf + "\n" + leaf, "is not PEM"},
          Case{"a header within", "-----BEGIN CERTIFICATE-----\nX: y\n\nAAAA\n-----END CERTIFICATE-----\n",
               "is not PEM"},
          Case{"no end", leaf.substr(0, leaf.size() - 30), "is not PEM"},
          Case{"another end", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n", "is not PEM"},
          Case{"base64 that is no certificate",
               "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
               "a CERTIFICATE that is none"},
          Case{"base64 that is no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
               "a private key that is none"},
          Case{"two keys", key + key, "more than one private key"},
          Case{"another block", "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
               "another kind: DH PARAMETERS"}}) {
        CAPTURE(c.name);
        CHECK(refusal(one(c.content)).find(c.words) != std::string::npos);
    }
    std::string many;
    for (int i = 0; i < 21; ++i) many += leaf;
    CHECK(refusal(one(many)).find("more certificates") != std::string::npos);
}

TEST_CASE("contents: a key is never for others, whatever a list says") {
    const std::string key = generation().key_pem.reveal();
    CHECK(refusal(one(key, 0640)) == "");
    CHECK(refusal(one(key, 0644)).find("every user of the machine") != std::string::npos);
    CHECK(refusal(one(generation().chain.front().pem() + key, 0604)).find("every user") != std::string::npos);
    CHECK(refusal(one(generation().chain.front().pem(), 0644)) == "");
}

TEST_CASE("contents: an include file names staged files, and says nothing else") {
    const Installation good = with_include();
    const std::string& staged = good.staged.front().path;
    for (const std::string& text :
         {std::string("load_module /tmp/evil.so;\n"),
          "ssl_certificate \"" + staged + "\"; include /tmp/evil;\n",
          std::string("ssl_certificate \"/etc/shadow\";\n"), "ssl_certificate \"" + staged + "\";",
          "ssl_password_file \"" + staged + "\";\n", std::string("# a\rinclude /tmp/evil;\n"),
          std::string("#include /tmp/evil;\n"), "ssl_certificate " + staged + ";\n", std::string("# a\n"),
          std::string()}) {
        CAPTURE(text);
        Installation bad = good;
        bad.published.front().content = base::Secret(text);
        CHECK_FALSE(refusal(bad).empty());
    }
    SUBCASE("not even by a path that ends the quotes") {
        Installation bad = good;
        const std::string path = "/etc/nginx/renewd/a\"; include \"/tmp/evil";
        bad.staged.front().path = path;
        bad.published.front().content = base::Secret("ssl_certificate \"" + path + "\";\n");
        CHECK_FALSE(refusal(bad).empty());
    }
    SUBCASE("it is published, never staged") {
        Installation bad = good;
        bad.staged.front().content = bad.published.front().content;
        CHECK_FALSE(refusal(bad).empty());
    }
    SUBCASE("and names of what lies beside the files are not to be had") {
        Installation bad = good;
        bad.staged.front().path = "/etc/nginx/renewd/.renewd-0123456789ab/journal";
        CHECK(refusal(bad).find("is kept for") != std::string::npos);
    }
}
