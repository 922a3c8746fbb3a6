// SPDX-License-Identifier: Apache-2.0
// What holds for every provider behind an HTTP API, one table of cases over all of them.
#include <algorithm>
#include <functional>
#include <thread>

#include "tests/unit/acme/dns/cloud_world.hpp"

using fakes::CloudWorld;
using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using fakes::txt;

namespace {

using Values = std::vector<std::string>;

const std::string kName = "_acme-challenge.a.example.com";
const std::string kOne = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1";
const std::string kTwo = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb2";

const std::vector<std::string> kAll{"cloudflare", "route53",  "digitalocean", "hetzner",
                                    "gandi",      "powerdns", "acme-dns"};

/// Those that hold zones of their customers: all but acme-dns.
const std::vector<std::string> kZoned{kAll.begin(), kAll.end() - 1};

void each(const std::vector<std::string>& providers,
          const std::function<void(const std::string&, CloudWorld&)>& check) {
    for (const std::string& name : providers) {
        CAPTURE(name);
        CloudWorld world(name);
        check(name, world);
        CHECK(world.api.mistakes == Values{});
    }
}

}  // namespace

TEST_CASE("cloud: a value comes beside a foreign one, and ours alone goes") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        world.api.add(kName, "foreign", 3600);
        CHECK(message_of(world.provider->present(txt(name, kOne))) == "");
        CHECK(world.api.values_at(kName) == Values{kOne, "foreign"});
        CHECK(world.api.txts.front().ttl == 3600);
        CHECK(message_of(world.provider->clean_up(txt(name, kOne))) == "");
        CHECK(world.api.values_at(kName) == Values{"foreign"});
        CHECK(world.api.txts.front().ttl == 3600);
    });
}

TEST_CASE("cloud: apex and wildcard put two values at one name; each goes alone") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        REQUIRE(world.provider->present(txt(name, kOne)));
        REQUIRE(world.provider->present(txt(name, kTwo)));
        CHECK(world.api.values_at(kName) == Values{kOne, kTwo});
        REQUIRE(world.provider->clean_up(txt(name, kOne)));
        CHECK(world.api.values_at(kName) == Values{kTwo});
        REQUIRE(world.provider->clean_up(txt(name, kTwo)));
        CHECK(world.api.values_at(kName).empty());
    });
}

TEST_CASE("cloud: threads that write the same name at once lose no value") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&, i] {
                const auto done = world.provider->present(txt(name, "value" + std::to_string(i)));
                CHECK(done.has_value());
            });
        }
        threads.clear();
        CHECK(world.api.values_at(kName) == Values{"value0", "value1", "value2", "value3"});
    });
}

TEST_CASE("cloud: what is there already is well, and so is nothing there") {
    each(kAll, [](const std::string& name, CloudWorld& world) {
        REQUIRE(world.provider->present(txt(name, kOne)));
        REQUIRE(world.provider->present(txt(name, kOne)));
        CHECK(world.api.txts.size() == 1);
        REQUIRE(world.provider->clean_up(txt(name, kOne)));
        REQUIRE(world.provider->clean_up(txt(name, kOne)));
    });
}

TEST_CASE("cloud: the zone is the longest suffix among all pages where DNS has not said which") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        world.api.private_zones = {"a.example.com"};
        REQUIRE(message_of(world.provider->present(txt(name, kOne, ""))) == "");
        CHECK(world.api.values_at(kName) == Values{kOne});
        // The zone that DNS names is not in the account, a longer one is.
        world.api.zones.emplace_back("a.example.com");
        REQUIRE(message_of(world.provider->present(txt(name, kTwo, "elsewhere.example."))) == "");
        CHECK(world.api.values_at(kName) == Values{kOne, kTwo});
        if (name == "powerdns") return;
        CHECK(std::ranges::count(world.api.log, "zones") >= 2);
    });
}

TEST_CASE("cloud: the zone's own name can hold a value") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        acme::TxtRecord record = txt(name, kOne);
        record.name = "example.com.";
        REQUIRE(message_of(world.provider->present(record)) == "");
        CHECK(world.api.values_at("example.com") == Values{kOne});
        REQUIRE(world.provider->clean_up(record));
        CHECK(world.api.txts.empty());
    });
}

TEST_CASE("cloud: no zone is told as provider/no-zone, with the name") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        world.api.zones.clear();
        const auto done = world.provider->present(txt(name, kOne));
        CHECK(code_of(done) == "provider/no-zone");
        CHECK(contains(message_of(done), "solver dns: " + name + ": has no zone for " + kName));
    });
}

TEST_CASE("cloud: a zone or a record that went away meanwhile is provider/no-zone, and well on the way out") {
    each(kAll, [](const std::string& name, CloudWorld& world) {
        world.api.fail("change", "404");
        CHECK(code_of(world.provider->present(txt(name, kOne))) == "provider/no-zone");
    });
    for (const bool is_alone : {true, false}) {
        CAPTURE(is_alone);
        each(kAll, [&](const std::string& name, CloudWorld& world) {
            if (!is_alone) world.api.add(kName, "foreign", 3600);
            REQUIRE(world.provider->present(txt(name, kOne)));
            world.api.fail("change", "404");
            CHECK(message_of(world.provider->clean_up(txt(name, kOne))) == "");
        });
    }
}

TEST_CASE("cloud: 401 and 403 are provider/denied and say what the token needs; no secret is told") {
    for (const std::string error : {"401", "403"}) {
        for (const std::string kind : {"GET", "change"}) {
            each(kAll, [&](const std::string& name, CloudWorld& world) {
                if (name == "acme-dns" && kind == "GET") return;
                world.api.fail(kind, error, 2);
                const auto done = world.provider->present(txt(name, kOne));
                CHECK(code_of(done) == "provider/denied");
                CHECK(contains(message_of(done), "solver dns: " + name + ": was asked to "));
                CHECK(contains(message_of(done), "HTTP " + error));
                CHECK(!done.error().hint.empty());
                CHECK(!contains(message_of(done) + done.error().hint, fakes::kSecret));
            });
        }
    }
}

TEST_CASE("cloud: the API's own words are in the message, printable and not too long") {
    CloudWorld world("cloudflare");
    world.api.fail("GET", "403");
    CHECK(contains(message_of(world.provider->present(txt("cloudflare", kOne))),
                   "was asked to list the zones and denied it: HTTP 403, \"Authentication error\""));
}

TEST_CASE("cloud: a duplicate or a conflict is looked at again, and is well if our value is there") {
    each(kZoned, [](const std::string&, CloudWorld& world) {
        world.api.fail("change", "409");
        world.api.before_failure = [&] { world.api.add(kName, kOne, 60); };
        CHECK(message_of(world.provider->present(txt("", kOne))) == "");
        CHECK(world.api.values_at(kName) == Values{kOne});
    });
}

TEST_CASE("cloud: what another process writes in between survives our change") {
    each({"route53", "gandi"}, [](const std::string&, CloudWorld& world) {
        world.api.fail("change", "409");
        world.api.before_failure = [&] { world.api.add(kName, "foreign", 300); };
        CHECK(message_of(world.provider->present(txt("", kOne))) == "");
        CHECK(world.api.values_at(kName) == Values{kOne, "foreign"});
    });
}

TEST_CASE("cloud: a conflict that does not end is provider/failed after half a minute") {
    each({"route53", "digitalocean", "hetzner", "gandi", "powerdns"},
         [](const std::string&, CloudWorld& world) {
             world.api.fail("change", "409", 100);
             CHECK(code_of(world.provider->present(txt("", kOne))) == "provider/failed");
             CHECK(world.clock.passed() == 31s);
         });
}

TEST_CASE("cloud: a limit is provider/rate-limited, until when the API says in seconds or as a date") {
    for (const std::string when : {"600", "Sat, 21 Nov 2026 12:10:00 GMT"}) {
        each(kAll, [&](const std::string& name, CloudWorld& world) {
            world.api.fail("change", "429", 100);
            world.api.failure_headers = {{"retry-after", when}};
            const auto done = world.provider->present(txt(name, kOne));
            CHECK(code_of(done) == "provider/rate-limited");
            REQUIRE(done.error().retry_at);
            CHECK(*done.error().retry_at == fakes::kNow + 600s);
        });
    }
}

TEST_CASE("cloud: a limit that is over within seconds, or without an end, is waited for a few times") {
    each(kAll, [](const std::string& name, CloudWorld& world) {
        world.api.fail("change", "429", 2);
        world.api.failure_headers = {{"retry-after", "2"}};
        CHECK(message_of(world.provider->present(txt(name, kOne))) == "");
        CHECK(world.clock.passed() >= 4s);
    });
    each(kAll, [](const std::string& name, CloudWorld& world) {
        world.api.fail("change", "429", 100);
        const auto done = world.provider->present(txt(name, kOne));
        CHECK(code_of(done) == "provider/rate-limited");
        CHECK(done.error().retry_at.has_value());
    });
}

TEST_CASE("cloud: a broken server is provider/failed, on the way out, too") {
    each(kAll, [](const std::string& name, CloudWorld& world) {
        world.api.fail("change", "500");
        CHECK(code_of(world.provider->present(txt(name, kOne))) == "provider/failed");
    });
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        REQUIRE(world.provider->present(txt(name, kOne)));
        world.api.fail("change", "500");
        CHECK(code_of(world.provider->clean_up(txt(name, kOne))) == "provider/failed");
        CHECK(world.api.values_at(kName) == Values{kOne});
    });
}

TEST_CASE("cloud: an answer that is none of the API's is provider/protocol, and nothing is written") {
    for (const std::string body : {"<html>login</html>", "{\"result\": [", "7", "\"text\"",
                                   "<?xml version=\"1.0\"?><!DOCTYPE x []><x/>"}) {
        CAPTURE(body);
        each(kZoned, [&](const std::string& name, CloudWorld& world) {
            world.api.body_instead = body;
            CHECK(code_of(world.provider->present(txt(name, kOne))) == "provider/protocol");
            CHECK(world.api.txts.empty());
        });
    }
}

TEST_CASE("cloud: who cannot be reached is provider/unreachable, a huge answer is provider/protocol") {
    struct Row {
        base::Code code;
        std::string_view told;
    };

    for (const Row& row : {Row{base::Code::NetUnreachable, "provider/unreachable"},
                           Row{base::Code::NetTimeout, "provider/unreachable"},
                           Row{base::Code::NetTooLarge, "provider/protocol"},
                           Row{base::Code::NetUntrusted, "net/untrusted"}}) {
        each(kAll, [&](const std::string& name, CloudWorld& world) {
            world.api.broken = base::fail(row.code, "what curl said");
            const auto done = world.provider->present(txt(name, kOne));
            CHECK(code_of(done) == row.told);
            CHECK(contains(message_of(done), "solver dns: " + name));
            CHECK(contains(message_of(done), "what curl said"));
            CHECK(world.api.requests.back().body_max <= 1'048'576);
        });
    }
}

TEST_CASE("cloud: a redirect is not followed, and told") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        struct Elsewhere final : base::Transport {
            base::Result<base::HttpResponse> exchange(const base::HttpRequest& request) override {
                CHECK(request.redirects_max == 0);
                return base::HttpResponse{.status = 302, .headers = {{"location", "https://evil.example/"}}};
            }
        } elsewhere;
        const acme::ProviderEffects effects{.transport = elsewhere, .dns = world.dns, .clock = world.clock};
        const auto provider = fakes::kind_of(name).make(world.settings, effects);
        REQUIRE(provider);
        CHECK(code_of((*provider)->present(txt(name, kOne))) == "provider/protocol");
    });
}

TEST_CASE("cloud: a secret that cannot be read is told, before anything is asked") {
    each(kZoned, [](const std::string& name, CloudWorld& world) {
        for (auto& [key, source] : world.settings.secrets) source.name = "/nowhere/secret";
        world.make(name);
        CHECK(code_of(world.provider->present(txt(name, kOne))) == "config/secret-unavailable");
        CHECK(world.api.requests.empty());
    });
}

TEST_CASE("cloud: http is for loopback addresses only; a URL holds a host, a port and a path") {
    each(kAll, [](const std::string& name, CloudWorld& world) {
        const std::string key = name == "powerdns" || name == "acme-dns" ? "server" : "endpoint";
        for (const char* url : {"http://127.0.0.1:8081", "http://[::1]:8081/", "http://localhost"}) {
            world.settings.texts[key] = url;
            world.make(name);
            (void)world.provider->present(txt(name, kOne));
            CHECK(!world.api.requests.back().trust.https_only);
        }
        world.api.mistakes.clear();  // these were other endpoints
        for (const char* url :
             {"http://10.0.0.1", "http://127.evil.example", "http://127.1", "ftp://x.example",
              "https://u:p@x.example", "https://x.example/?a=b", "https://", "x.example",
              "https://x.example/a b", "http://localhost.evil.example", ""}) {
            CAPTURE(url);
            world.settings.texts[key] = url;
            const auto made = fakes::kind_of(name).make(world.settings, world.effects);
            CHECK(code_of(made) == "config/wrong-value");
            CHECK(!contains(message_of(made), "u:p"));
        }
    });
}

TEST_CASE("cloud: roots and proxy of the settings go with every request") {
    each(kAll, [](const std::string& name, CloudWorld& world) {
        world.settings.texts["roots"] = "/etc/roots.pem";
        world.settings.texts["proxy"] = "http://proxy.example:3128";
        world.make(name);
        REQUIRE(world.provider->present(txt(name, kOne)));
        for (const base::HttpRequest& request : world.api.requests) {
            CHECK(request.trust == base::HttpTrust{.roots_file = "/etc/roots.pem",
                                                   .proxy = "http://proxy.example:3128",
                                                   .https_only = true});
        }
    });
}

TEST_CASE("cloud: every key says what it means, and every kind has its own name") {
    std::vector<std::string_view> names;
    for (const acme::ProviderKind& kind : acme::cloud_kinds()) {
        names.push_back(kind.name);
        for (const acme::ProviderKey& key : kind.keys) CHECK(!key.meaning.empty());
    }
    CHECK(std::ranges::equal(names, kAll));
}
