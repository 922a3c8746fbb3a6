// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/rfc2136.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "acme/solvers/dns/tsig.hpp"
#include "base/encoding.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/hostile_name_server.hpp"
#include "tests/unit/base/name_servers.hpp"

using base::DnsType;
using base::Milliseconds;

namespace {

constexpr const char* kSecret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
constexpr const char* kAlgorithms[] = {"hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224",
                                       "hmac-sha1"};

/// One Knot for all, with a key of every algorithm, named as it is.
const tests::Knot& knot() {
    static const tests::Knot server = [] {
        std::string keys = "key:\n";
        std::string list;
        for (const std::string algorithm : kAlgorithms) {
            keys += "- id: " + algorithm + ".\n  algorithm: " + algorithm + "\n  secret: " + kSecret + "\n";
            list += (list.empty() ? "" : ", ") + algorithm + ".";
        }
        keys += std::string("- id: stranger.\n  algorithm: hmac-sha256\n  secret: ") + kSecret + "\n";
        keys += "acl:\n- id: keyed\n  key: [" + list + "]\n  action: update\n";
        const std::string address = tests::free_loopback();
        const std::string records = "@ NS ns1\nns1 A " + address + "\n";
        return tests::Knot({{.name = "example.test", .records = records, .options = "  acl: keyed\n"},
                            {.name = "open.test", .records = records}},
                           address, keys);
    }();
    return server;
}

class RealNow final : public base::Clock {
  public:
    [[nodiscard]] base::Instant now() const override { return base::SystemClock().now() + skew; }

    [[nodiscard]] base::Steady steady() const override { return base::SystemClock().steady(); }

    void sleep(Milliseconds) override {}

    base::Seconds skew{0};
};

class NoTransport final : public base::Transport {
  public:
    base::Result<base::HttpResponse> exchange(const base::HttpRequest&) override {
        return base::fail(base::Code::NetUnreachable, "no HTTP here");
    }
};

/// A provider and all that it borrows.
struct Stage {
    tests::TemporaryDirectory directory{};
    base::Dns dns{{knot().server()}, Milliseconds(2000)};
    RealNow clock{};
    NoTransport transport{};
    acme::ProviderSettings settings{.solver = "dns"};

    Stage() {
        sign_as("hmac-sha256.", "hmac-sha256", kSecret);
        settings.texts["server"] = knot().address();
    }

    void sign_as(const std::string& name, const std::string& algorithm, const std::string& secret) {
        std::ofstream(directory / "secret") << secret << "\n";
        (void)::chmod((directory / "secret").c_str(), 0600);
        settings.texts["tsig.name"] = name;
        settings.texts["tsig.algorithm"] = algorithm;
        settings.secrets["tsig.secret"] = {
            .kind = base::SecretSource::Kind::File, .name = directory / "secret", .key = "tsig.secret_file"};
    }

    void do_not_sign() {
        settings.texts.erase("tsig.name");
        settings.texts.erase("tsig.algorithm");
        settings.secrets.clear();
    }

    [[nodiscard]] base::Result<std::unique_ptr<acme::DnsProvider>> make() {
        return acme::find_provider_kind("rfc2136")->make(
            settings, {.transport = transport, .dns = dns, .clock = clock});
    }

    [[nodiscard]] base::Result<base::Seconds> present(const acme::TxtRecord& record) {
        return make().value()->present(record);
    }

    [[nodiscard]] std::vector<std::string> values(const std::string& name) const {
        std::vector<std::string> found;
        for (const auto& record : dns.ask(name, DnsType::Txt)->records) found.push_back(record.data);
        std::ranges::sort(found);
        return found;
    }
};

acme::TxtRecord record_of(const std::string& name, const std::string& value,
                          const std::string& zone = "example.test.") {
    return {.name = name, .value = value, .zone = zone};
}

std::string code_of(const auto& result) {
    return result ? "none" : std::string(base::to_string(result.error().code));
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("rfc2136 adds a value beside others and removes only its own") {
    Stage stage;
    const auto provider = stage.make().value();
    const std::string name = "_acme-challenge.beside.example.test.";
    CHECK(provider->present(record_of(name, "first")).value() == 0s);
    CHECK(provider->present(record_of(name, "second")).value() == 0s);
    CHECK(provider->present(record_of(name, "second")));
    CHECK(stage.values(name) == Texts{"first", "second"});
    CHECK(provider->clean_up(record_of(name, "first")));
    CHECK(stage.values(name) == Texts{"second"});
    CHECK(provider->clean_up(record_of(name, "first")));
    CHECK(provider->clean_up(record_of(name, "second")));
    CHECK(stage.values(name).empty());
}

TEST_CASE("rfc2136 signs with every algorithm, and believes the answers") {
    for (const std::string algorithm : kAlgorithms) {
        CAPTURE(algorithm);
        Stage stage;
        stage.sign_as(algorithm + ".", algorithm, kSecret);
        const std::string name = algorithm + ".signed.example.test.";
        CHECK(code_of(stage.present(record_of(name, "x"))) == "none");
        CHECK(stage.values(name) == Texts{"x"});
    }
}

TEST_CASE("rfc2136 works without a key where the server lets this address in") {
    Stage stage;
    stage.do_not_sign();
    CHECK(stage.present(record_of("a.open.test.", "x", "open.test.")));
    CHECK(stage.values("a.open.test") == Texts{"x"});
    stage.settings.texts["zone"] = "open.test";
    stage.settings.texts["server"] = "ns1.open.test:53";
    CHECK(stage.present(record_of("b.open.test.", "x", "nonsense.")));
    CHECK(stage.values("b.open.test") == Texts{"x"});
    const auto refused = stage.present(record_of("a.example.test.", "x"));
    CHECK(code_of(refused) == "provider/no-zone");
}

TEST_CASE("rfc2136 says in words what is wrong with a key") {
    Stage stage;
    const auto record = record_of("wrong.example.test.", "x");
    stage.sign_as("unknown.", "hmac-sha256", kSecret);
    // BADKEY; Knot from 3.4 on says NOTAUTH instead, which other servers say of a zone they do not have.
    const auto is_refused = [](const auto& result) {
        return code_of(result) == "provider/denied" || code_of(result) == "provider/no-zone";
    };
    const auto unknown = stage.present(record);
    CHECK(is_refused(unknown));
    CHECK(unknown.error().message.find("unknown. (hmac-sha256)") != std::string::npos);

    stage.sign_as("hmac-sha256.", "hmac-sha256", "AAAA");
    const auto wrong = stage.present(record);
    CHECK(code_of(wrong) == "provider/denied");
    CHECK(wrong.error().message.find("another secret") != std::string::npos);
    CHECK(wrong.error().message.find("AAAA") == std::string::npos);

    stage.sign_as("stranger.", "hmac-sha256", kSecret);
    CHECK(is_refused(stage.present(record)));

    stage.sign_as("hmac-sha256.", "hmac-sha256", kSecret);
    stage.clock.skew = 3601s;
    const auto late = stage.present(record);
    CHECK(code_of(late) == "provider/denied");
    CHECK(late.error().message.find("this machine's clock is 360") != std::string::npos);
    CHECK(late.error().message.find("s ahead of the server's") != std::string::npos);
    stage.clock.skew = -3601s;
    CHECK(stage.present(record).error().message.find("s behind the server's") != std::string::npos);
    CHECK(stage.values("wrong.example.test").empty());
}

TEST_CASE("rfc2136 names the zone or the server that is wrong") {
    Stage stage;
    CHECK(code_of(stage.present(record_of("a.elsewhere.test.", "x", "elsewhere.test."))) ==
          "provider/no-zone");
    CHECK(code_of(stage.present(record_of("a.elsewhere.test.", "x"))) == "provider/no-zone");
    stage.settings.texts["server"] = "127.0.0.1:1";
    const auto dead = stage.present(record_of("a.example.test.", "x"));
    CHECK(code_of(dead) == "provider/unreachable");
    CHECK(dead.error().message.find("127.0.0.1:1 cannot be reached over TCP: Connection refused") !=
          std::string::npos);
    stage.settings.texts["server"] = "nobody.example.test";
    CHECK(code_of(stage.present(record_of("a.example.test.", "x"))) == "dns/failed");
}

TEST_CASE("rfc2136 tells a wrong configuration before it does anything") {
    Stage stage;
    stage.settings.texts["tsig.algorithm"] = "hmac-md4";
    CHECK(code_of(stage.make()) == "config/wrong-value");
    stage.settings.texts.erase("tsig.algorithm");
    CHECK(stage.make());
    stage.settings.secrets.clear();
    CHECK(code_of(stage.make()) == "config/missing");
    stage.sign_as("hmac-sha256.", "hmac-sha256", "no base64!");
    const auto wrong = stage.present(record_of("a.example.test.", "x"));
    CHECK(code_of(wrong) == "config/wrong-value");
    CHECK(wrong.error().message.find("no base64") == std::string::npos);
    CHECK(acme::find_provider_kind("rfc2137") == nullptr);
}

TEST_CASE("rfc2136 believes nothing that is not signed with its key") {
    const auto told = [](const std::function<std::string(std::string)>& answer_to) {
        const tests::HostileNameServer server([&](const std::string& message, bool) {
            const std::string answer = answer_to(message);
            return std::vector<std::string>{tests::HostileNameServer::framed(answer) + answer};
        });
        Stage stage;
        stage.settings.texts["server"] = base::to_string(server.server());
        const auto outcome = stage.present(record_of("a.example.test.", "x"));
        return code_of(outcome) + ": " + (outcome ? "" : outcome.error().message);
    };
    const auto unsigned_answer = [](char rcode) {
        return [rcode](const std::string& message) {
            return message.substr(0, 2) + '\xA8' + rcode + std::string(8, '\0');
        };
    };
    CHECK(told(unsigned_answer(0)).ends_with("its answer is not signed: anybody could have sent it"));
    CHECK(told(unsigned_answer(0)).starts_with("provider/protocol"));
    CHECK(told(unsigned_answer(1)).starts_with("provider/protocol"));
    CHECK(told(unsigned_answer(2)).starts_with("provider/failed"));
    CHECK(told(unsigned_answer(4)).starts_with("provider/denied"));
    CHECK(told(unsigned_answer(5)).starts_with("provider/denied"));
    CHECK(told(unsigned_answer(7)).starts_with("provider/failed"));
    CHECK(told(unsigned_answer(9)).starts_with("provider/no-zone"));
    CHECK(told(unsigned_answer(10)).starts_with("provider/no-zone"));
    CHECK(told([](const std::string& message) { return message; }).starts_with("provider/protocol"));
    CHECK(told([](const std::string&) { return std::string("x"); }).starts_with("provider/protocol"));
    CHECK(told([](const std::string&) { return std::string(); }).starts_with("provider/protocol"));
    // Our own message as the answer: signed with the key, but by us.
    const auto echo = told([](std::string message) {
        message[2] = '\xA8';
        return message;
    });
    CHECK(echo.ends_with("the signature of its answer is wrong: anybody could have sent it"));
}

TEST_CASE("rfc2136 asks over UDP where a server has no TCP") {
    Stage stage;
    stage.do_not_sign();
    const int udp = tests::bound_socket("127.0.0.1", 0, SOCK_DGRAM);
    sockaddr_in where{};
    socklen_t size = sizeof(where);
    REQUIRE(::getsockname(udp, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    std::thread server([udp] {
        std::array<char, 512> buffer{};
        sockaddr_in from{};
        socklen_t from_size = sizeof(from);
        auto* const peer = reinterpret_cast<sockaddr*>(&from);
        ::recvfrom(udp, buffer.data(), buffer.size(), 0, peer, &from_size);
        buffer[2] = '\xA8';
        ::sendto(udp, buffer.data(), 12, 0, peer, from_size);
    });
    stage.settings.texts["server"] = "127.0.0.1:" + std::to_string(ntohs(where.sin_port));
    CHECK(code_of(stage.present(record_of("a.example.test.", "x"))) == "none");
    server.join();
    ::close(udp);
}

TEST_CASE("a TSIG counts only if nothing of the message or of the key differs") {
    const auto key = acme::make_tsig_key("Key.Example", "HMAC-SHA256.", base::Secret(kSecret)).value();
    CHECK(key.name == "key.example.");
    CHECK(key.algorithm == "hmac-sha256");
    const std::string message("\x12\x34\x28\0\0\0\0\0\0\0\0\0", 12);
    const auto made = acme::sign_message(message, key, fakes::kNow);
    // As an answer to itself, which it is not: the MAC of the request is missing in it.
    const auto checked = acme::check_tsig(made.message, key, "");
    REQUIRE(checked);
    CHECK(checked->is_present);
    CHECK_FALSE(checked->is_genuine);
    CHECK(checked->time_signed == fakes::kNow);
    CHECK(checked->fudge == 300);
    CHECK_FALSE(acme::check_tsig(message, key, "")->is_present);
    for (std::size_t size = 0; size < made.message.size(); ++size) {
        CAPTURE(size);
        const auto cut = acme::check_tsig(made.message.substr(0, size), key, "");
        CHECK_FALSE((cut && cut->is_present));
    }
    std::string looped = made.message;
    looped.replace(12, 2, "\xC0\x0C");
    CHECK_FALSE(acme::check_tsig(looped, key, ""));
}
