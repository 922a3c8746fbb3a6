// SPDX-License-Identifier: Apache-2.0
// The provider against the real server: PowerDNS with its sqlite backend, on a loopback address of its own.
#include <fstream>

#include "tests/unit/acme/dns/cloud_world.hpp"
#include "tests/unit/base/name_servers.hpp"

using fakes::code_of;
using fakes::message_of;

namespace {

using Values = std::vector<std::string>;

constexpr const char* kName = "_acme-challenge.www.example.test";

void run(const std::vector<std::string>& argv, const std::string& input = {}) {
    const auto done = base::run({.argv = argv, .input = input});
    REQUIRE_MESSAGE(done.has_value(), message_of(done));
    REQUIRE_MESSAGE(done->ok(), done->err);
}

/// pdns_server with the zones example.test and sub.example.test.
class PowerDns {
  public:
    PowerDns() {
        std::ofstream(directory_ / "pdns.conf")
            << "launch=gsqlite3\ngsqlite3-database=" << directory_ / "db" << "\nlocal-address=" << address_
            << "\nlocal-port=53\nsocket-dir=" << directory_.path() << "\nguardian=no\ndaemon=no\n"
            << "disable-syslog=yes\nwrite-pid=no\nsecurity-poll-suffix=\ncache-ttl=0\nquery-cache-ttl=0\n"
            << "negquery-cache-ttl=0\nzone-cache-refresh-interval=0\nconsistent-backends=no\n"
            << "webserver=yes\napi=yes\napi-key=" << fakes::kSecret << "\nwebserver-address=" << address_
            << "\nwebserver-port=8081\nwebserver-allow-from=127.0.0.0/8\n";
        std::ifstream schema("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql");
        run({"/usr/bin/sqlite3", directory_ / "db"}, {std::istreambuf_iterator<char>(schema), {}});
        util({"create-zone", "example.test", "ns1.example.test"});
        util({"create-zone", "sub.example.test", "ns1.example.test"});
        util({"add-record", "example.test", "_acme-challenge.www", "TXT", "777", "\"for; eign\""});
        process_.start({"/usr/sbin/pdns_server", "--config-dir=" + directory_.path()}, directory_ / "log");
        tests::wait_until_it_answers(server(), "example.test", directory_ / "log");
    }

    [[nodiscard]] base::DnsServer server() const { return {.address = address_}; }

    [[nodiscard]] std::string url() const { return "http://" + address_ + ":8081"; }

    [[nodiscard]] std::vector<base::DnsRecord> records(const std::string& name) const {
        auto records = base::Dns({server()}, 2s).ask_server(server(), name, base::DnsType::Txt)->records;
        std::ranges::sort(records, {}, &base::DnsRecord::data);
        return records;
    }

    [[nodiscard]] Values values(const std::string& name) const {
        Values values;
        for (const base::DnsRecord& record : records(name)) values.push_back(record.data);
        return values;
    }

  private:
    void util(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {"/usr/bin/pdnsutil", "--config-dir=" + directory_.path()});
        run(arguments);
    }

    tests::TemporaryDirectory directory_;
    std::string address_ = tests::free_loopback();
    tests::NameServerProcess process_;
};

const PowerDns& power_dns() {
    static const PowerDns server;
    return server;
}

/// A provider that speaks with it.
struct Stage {
    tests::TemporaryDirectory directory{};
    base::CurlTransport transport{"renewd-test"};
    base::Dns dns{{power_dns().server()}, 2s};
    fakes::Clock clock{};
    acme::ProviderSettings settings{.solver = "dns"};

    Stage() {
        settings.texts["server"] = power_dns().url();
        settings.secrets["api_key"] = {.kind = base::SecretSource::Kind::File,
                                       .name = fakes::write_private(directory / "key", fakes::kSecret),
                                       .key = "api_key"};
    }

    [[nodiscard]] std::unique_ptr<acme::DnsProvider> make() {
        auto made =
            fakes::kind_of("powerdns").make(settings, {.transport = transport, .dns = dns, .clock = clock});
        REQUIRE(made);
        return std::move(*made);
    }
};

acme::TxtRecord record(const std::string& value, const std::string& zone) {
    return {.name = std::string(kName) + ".", .value = value, .zone = zone};
}

}  // namespace

TEST_CASE("powerdns: the real server takes two values beside a foreign one and gives them back one by one") {
    Stage stage;
    const auto provider = stage.make();
    for (const std::string zone : {"example.test.", ""}) {
        CAPTURE(zone);
        CHECK(message_of(provider->present(record("one", zone))) == "");
        CHECK(message_of(provider->present(record("two", zone))) == "");
        CHECK(message_of(provider->present(record("two", zone))) == "");
        CHECK(power_dns().values(kName) == Values{"for; eign", "one", "two"});
        for (const base::DnsRecord& each : power_dns().records(kName)) CHECK(each.ttl == 777);
        CHECK(message_of(provider->clean_up(record("one", zone))) == "");
        CHECK(power_dns().values(kName) == Values{"for; eign", "two"});
        CHECK(message_of(provider->clean_up(record("two", zone))) == "");
        CHECK(message_of(provider->clean_up(record("two", zone))) == "");
        CHECK(power_dns().values(kName) == Values{"for; eign"});
    }
}

TEST_CASE("powerdns: the real server's longest zone takes the value, and a set of ours alone goes whole") {
    Stage stage;
    const auto provider = stage.make();
    acme::TxtRecord inner = record("one", "");
    inner.name = "_acme-challenge.sub.example.test.";
    REQUIRE(message_of(provider->present(inner)) == "");
    REQUIRE(power_dns().values(inner.name) == Values{"one"});
    CHECK(power_dns().records(inner.name).front().ttl == 60);
    CHECK(message_of(provider->clean_up(inner)) == "");
    CHECK(power_dns().values(inner.name).empty());
}

TEST_CASE("powerdns: the real server's refusals are told") {
    Stage stage;
    acme::TxtRecord foreign = record("one", "");
    foreign.name = "_acme-challenge.other.test.";
    CHECK(code_of(stage.make()->present(foreign)) == "provider/no-zone");
    stage.settings.texts["server_id"] = "elsewhere";
    CHECK(code_of(stage.make()->present(record("one", ""))) == "provider/no-zone");
    stage.settings.texts.erase("server_id");
    fakes::write_private(stage.directory / "key", "wrong");
    const auto denied = stage.make()->present(record("one", ""));
    CHECK(code_of(denied) == "provider/denied");
    CHECK(!fakes::contains(message_of(denied), "wrong"));
    stage.settings.texts["server"] = "http://127.0.0.1:1";
    CHECK(code_of(stage.make()->present(record("one", ""))) == "provider/unreachable");
}
