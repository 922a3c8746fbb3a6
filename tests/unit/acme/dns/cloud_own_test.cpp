// SPDX-License-Identifier: Apache-2.0
// What is one provider's own.
#include <algorithm>

#include "acme/solvers/dns/api_zone.hpp"
#include "tests/unit/acme/dns/cloud_world.hpp"

using fakes::CloudWorld;
using fakes::code_of;
using fakes::contains;
using fakes::long_value;
using fakes::message_of;
using fakes::txt;

namespace {

using Values = std::vector<std::string>;

const std::string kName = "_acme-challenge.a.example.com";
const std::string kAccount = "d4.auth.example";

}  // namespace

TEST_CASE("route53: a change is waited for until all of its servers have it") {
    CloudWorld world("route53");
    world.api.pending = 5;
    REQUIRE(world.provider->present(txt("route53", "one")));
    CHECK(std::ranges::count(world.api.log, "change") == 6);
    CHECK(world.clock.passed() == 20s);
    world.api.pending = 1'000;
    const auto done = world.provider->present(txt("route53", "two"));
    CHECK(code_of(done) == "provider/failed");
    CHECK(contains(message_of(done), "not on all of its name servers after 4 minutes"));
    CHECK(world.clock.passed() == 260s);
}

TEST_CASE("route53: a removal is not waited for, and a prior request that is not complete is repeated") {
    CloudWorld world("route53");
    REQUIRE(world.provider->present(txt("route53", "one")));
    world.api.log.clear();
    world.api.fail("change", "busy", 2);
    REQUIRE(world.provider->clean_up(txt("route53", "one")));
    CHECK(world.api.txts.empty());
    CHECK(std::ranges::count(world.api.log, "change") == 0);
}

TEST_CASE("route53: with zone_id no zones are listed; region and session token are signed") {
    CloudWorld world("route53");
    world.settings.texts["zone_id"] = "Z121";
    world.settings.secrets["session_token"] = world.settings.secrets.at("secret_access_key");
    world.settings.texts["region"] = "eusc-de-east-1";
    world.api.caller = {.session_token = fakes::kSecret, .region = "eusc-de-east-1"};
    world.make("route53");
    CHECK(message_of(world.provider->present(txt("route53", "one"))) == "");
    CHECK(message_of(world.provider->clean_up(txt("route53", "one"))) == "");
    CHECK(world.api.mistakes == Values{});
    CHECK(std::ranges::count(world.api.log, "zones") == 0);
    CHECK(std::ranges::count(world.api.log, "zones_by_name") == 0);
    CHECK(contains(world.api.requests.front().url, "/hostedzone/Z121/rrset?"));
}

TEST_CASE("cloud: of several zones of one name it is the one in DNS, or none is guessed") {
    const auto zone_of = [](const CloudWorld& world) {
        const std::string& url = world.api.requests.back().url;
        const std::size_t at = url.find("/Z");
        return at == std::string::npos ? url : url.substr(at + 1, url.find('/', at + 1) - at - 1);
    };
    for (const std::string zone : {"example.com.", ""}) {  // as DNS has named it, and looked for in all pages
        CAPTURE(zone);
        CloudWorld world("cloudflare");
        world.api.zones = {"example.com", "example.com"};
        world.api.pending_zones = {"Z1"};
        REQUIRE(message_of(world.provider->present(txt("cloudflare", "one", zone))) == "");
        CHECK(zone_of(world) == "Z2");
        world.api.pending_zones = {"Z1", "Z2"};
        world.api.zones.pop_back();
        REQUIRE(message_of(world.provider->present(txt("cloudflare", "two", zone))) == "");
        CHECK(zone_of(world) == "Z1");
    }
    for (const std::string name : {"cloudflare", "route53"}) {
        for (const std::string zone : {"example.com.", ""}) {
            CAPTURE(name);
            CAPTURE(zone);
            CloudWorld world(name);
            world.api.zones = {"example.com", "other.example", "example.com"};
            const auto done = world.provider->present(txt(name, "one", zone));
            CHECK(code_of(done) == "provider/no-zone");
            CHECK(contains(message_of(done), "Z1, Z3"));
            CHECK(contains(done.error().hint, name == "route53" ? "zone_id" : "Zone Resources"));
            CHECK(world.api.txts.empty());
        }
    }
}

TEST_CASE("route53: a value of somebody else's with quotes and ampersands is written back as it was") {
    CloudWorld world("route53");
    world.api.add(kName, "v=x &amp; y &lt;z&gt;", 300);
    REQUIRE(world.provider->present(txt("route53", "one")));
    CHECK(world.api.values_at(kName) == Values{"one", "v=x &amp; y &lt;z&gt;"});
}

TEST_CASE("hetzner: an action is waited for; one that fails or never ends is told") {
    CloudWorld world("hetzner");
    world.api.pending = 3;
    REQUIRE(world.provider->present(txt("hetzner", "one")));
    CHECK(world.clock.passed() == 4s);
    world.api.pending = 1'000;
    CHECK(code_of(world.provider->present(txt("hetzner", "two"))) == "provider/failed");
    world.api.pending = 0;
    for (
        const std::string body :
        {R"({"action": {"id": 1, "status": "error", "error": {"code": "x", "message": "no\u001b[31m room"}}})",
         R"({"action": {"id": 1, "status": "strange"}})", R"({})"}) {
        CloudWorld other("hetzner");

        struct Late final : base::Transport {
            explicit Late(fakes::DnsApi& inner) : api(inner) {}

            base::Result<base::HttpResponse> exchange(const base::HttpRequest& request) override {
                if (contains(request.url, "/actions/1"))
                    return base::HttpResponse{.status = 200, .body = body};
                return api.exchange(request);
            }

            fakes::DnsApi& api;
            std::string body{};
        } late(other.api);

        late.body = body;
        const acme::ProviderEffects effects{.transport = late, .dns = other.dns, .clock = other.clock};
        const auto provider = fakes::kind_of("hetzner").make(other.settings, effects);
        const auto done = (*provider)->present(txt("hetzner", "one"));
        CHECK(code_of(done) == (contains(body, "error") ? "provider/failed" : "provider/protocol"));
        CHECK(!contains(message_of(done), "\x1b"));
    }
}

TEST_CASE("powerdns: a disabled value stays disabled") {
    CloudWorld world("powerdns");
    world.api.add(kName, "off", 300);
    REQUIRE(message_of(world.provider->present(txt("powerdns", "one"))) == "");
    CHECK(world.api.values_at(kName) == Values{"off", "one"});
}

TEST_CASE("powerdns: that nobody can be notified is no error") {
    CloudWorld world("powerdns");
    REQUIRE(world.provider->present(txt("powerdns", "one")));
    CHECK(world.api.log.back() == "notify");
}

TEST_CASE("acme-dns: the two latest values stay; the same one again pushes out neither") {
    CloudWorld world("acme-dns");
    const std::string one = long_value("one");
    const std::string two = long_value("two");
    const std::string three = long_value("three");
    for (const std::string& value : {one, two, two, one})
        REQUIRE(world.provider->present(txt("acme-dns", value)));
    CHECK(world.api.values_at(kAccount) == Values{one, two});
    REQUIRE(world.provider->clean_up(txt("acme-dns", one)));
    REQUIRE(world.provider->present(txt("acme-dns", three)));
    CHECK(world.api.values_at(kAccount) == Values{three, two});
    CHECK(world.api.mistakes.empty());
}

TEST_CASE("acme-dns: apex and wildcard share the account of the name") {
    CloudWorld world("acme-dns");
    acme::TxtRecord record = txt("acme-dns", long_value("one"));
    record.task.identifier.value = "*.a.example.com";
    REQUIRE(world.provider->present(record));
    CHECK(world.api.values_at(kAccount) == Values{record.value});
}

TEST_CASE("acme-dns: a name without a CNAME to its account is told which one it needs") {
    CloudWorld world("acme-dns");
    acme::TxtRecord record = txt("acme-dns", "one");
    record.name = "_acme-challenge.a.example.com.";
    const auto done = world.provider->present(record);
    CHECK(code_of(done) == "provider/no-zone");
    CHECK(done.error().hint == "add the record _acme-challenge.a.example.com. CNAME d4.auth.example.");
    record.task.identifier.value = "b.example.com";
    CHECK(contains(message_of(world.provider->present(record)), "has no account for b.example.com"));
    CHECK(world.api.requests.empty());
}

TEST_CASE("acme-dns: a storage that others can read, is missing or is malformed is told") {
    CloudWorld world("acme-dns");
    const std::string path = world.settings.texts.at("storage");
    const auto code = [&] { return code_of(world.provider->present(txt("acme-dns", "one"))); };
    std::filesystem::permissions(path, std::filesystem::perms(0640));
    CHECK(code() == "config/secret-exposed");
    fakes::write_private(path, "[]");
    CHECK(code() == "config/wrong-value");
    fakes::write_private(path, R"({"a.example.com": {"fulldomain": "d4.auth.example"}})");
    CHECK(code() == "config/wrong-value");
    std::filesystem::remove(path);
    CHECK(code() == "file/not-found");
    CHECK(world.api.requests.empty());
}

TEST_CASE("acme-dns: an answer that does not repeat the value is none of acme-dns'") {
    for (const std::string body : {"<html>", "{}", R"({"txt": "other"})"}) {
        CloudWorld world("acme-dns");

        struct Fixed final : base::Transport {
            base::Result<base::HttpResponse> exchange(const base::HttpRequest& /*request*/) override {
                return base::HttpResponse{.status = 200, .body = text};
            }

            std::string text{};
        } fixed;

        fixed.text = body;
        const acme::ProviderEffects effects{.transport = fixed, .dns = world.dns, .clock = world.clock};
        const auto provider = fakes::kind_of("acme-dns").make(world.settings, effects);
        CHECK(code_of((*provider)->present(txt("acme-dns", "one"))) == "provider/protocol");
    }
}

TEST_CASE("cloud: names are relative to their zone, values in quotes of at most 255 bytes") {
    CHECK(acme::relative_name("_Acme-Challenge.WWW.example.com.", "example.com") == "_acme-challenge.www");
    CHECK(acme::relative_name("example.com.", "example.com") == "@");
    CHECK(acme::relative_name("notexample.com.", "example.com") == "notexample.com");
    CHECK(acme::quoted_txt("a\"b\\c") == R"("a\"b\\c")");
    CHECK(acme::quoted_txt("") == "\"\"");
    CHECK(acme::quoted_txt(std::string(256, 'x')) == "\"" + std::string(255, 'x') + "\" \"x\"");
    CHECK(acme::is_value("\"v\"", "v"));
    CHECK(acme::is_value("v", "v"));
    CHECK(!acme::is_value("\"v", "v"));
}

TEST_CASE("cloud: ratelimit-reset, as an instant or in seconds, stands in for retry-after") {
    for (const std::string& when :
         {std::to_string((fakes::kNow + 300s).time_since_epoch().count()), std::string("300")}) {
        CloudWorld world("digitalocean");
        world.api.fail("GET", "429", 10);
        world.api.failure_headers = {{"ratelimit-reset", when}};
        const auto done = world.provider->present(txt("digitalocean", "one"));
        REQUIRE(code_of(done) == "provider/rate-limited");
        CHECK(*done.error().retry_at == fakes::kNow + 300s);
    }
}
