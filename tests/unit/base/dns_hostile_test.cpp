// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/dns.hpp"
#include "tests/unit/base/hostile_name_server.hpp"

using base::Dns;
using base::DnsType;
using base::Milliseconds;
using std::string_literals::operator""s;
using tests::HostileNameServer;

namespace {

using Messages = std::vector<std::string>;

/// The question without what follows it (EDNS), as an answer with these counts and flags.
std::string answer_to(const std::string& question, const std::string& records, char answers = 1,
                      char flags = '\x84', char rcode = 0) {
    const std::size_t end = question.find('\0', 12) + 5;
    std::string answer = question.substr(0, end);
    answer.replace(2, 10, std::string{flags, rcode, 0, 1, 0, answers, 0, 0, 0, 0});
    return answer + records;
}

const std::string kAddress = "\xC0\x0C\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01"s;  // 192.0.2.1

base::Result<base::DnsAnswer> ask(const HostileNameServer& server, DnsType type = DnsType::A) {
    return Dns({}, Milliseconds(250)).ask_server(server.server(), "www.example.test", type);
}

std::string code_of(const base::Result<base::DnsAnswer>& answer) {
    return answer ? "none" : std::string(base::to_string(answer.error().code));
}

/// What asking leads to where this comes back over UDP.
std::string told_over_udp(const std::function<Messages(const std::string&)>& answers,
                          DnsType type = DnsType::A) {
    const HostileNameServer server([&](const std::string& question, bool) { return answers(question); });
    return code_of(ask(server, type));
}

std::string with_id(std::string message, char low) {
    message[1] = static_cast<char>(message[1] ^ low);
    return message;
}

}  // namespace

TEST_CASE("the hostile server can be decent: what is tested below is what it adds") {
    CHECK(told_over_udp([](const auto& question) { return Messages{answer_to(question, kAddress)}; }) ==
          "none");
}

TEST_CASE("an answer with another id, question or opcode, or none, is no answer") {
    CHECK(told_over_udp([](const auto& question) {
              return Messages{with_id(answer_to(question, kAddress), 1)};
          }) == "dns/failed");
    CHECK(told_over_udp([](const auto& question) {
              std::string other = answer_to(question, kAddress);
              other[13] = 'x';
              return Messages{other};
          }) == "dns/failed");
    CHECK(told_over_udp([](const auto& question) {
              std::string other = answer_to(question, kAddress);
              other[other.size() - kAddress.size() - 3] = 28;
              return Messages{other};
          }) == "dns/failed");
    CHECK(told_over_udp([](const auto& question) { return Messages{question}; }) == "dns/failed");
    CHECK(told_over_udp([](const auto& question) {
              return Messages{answer_to(question, kAddress, 1, '\xAC')};
          }) == "dns/failed");
    CHECK(told_over_udp([](const auto&) { return Messages{}; }) == "dns/unreachable");
}

TEST_CASE("an answer that is right is found behind a hundred that are not, and not behind more") {
    const auto behind = [](int count) {
        return told_over_udp([count](const auto& question) {
            Messages all(static_cast<std::size_t>(count), with_id(answer_to(question, kAddress), 1));
            all.push_back(answer_to(question, kAddress));
            return all;
        });
    };
    CHECK(behind(99) == "none");
    CHECK(behind(101) == "dns/failed");
}

TEST_CASE("messages that cannot be read are no answers, however they are broken") {
    const std::vector<std::string> broken{
        "\xC0\x30\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01"s,          // a name that points forward
        "\xC0\x22\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01"s,          // a name that points at itself
        "\xC0\x24\xC0\x22\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01"s,  // two that point at each other
        "\xC0\x0C\0\x01\0\x01\0\0\0\x3C\0\x05\xC0\0\x02\x01"s,          // more data than there is
        "\xC0\x0C\0\x01\0\x01\0\0\0\x3C\0\x03\xC0\0\x02"s,              // an address of three bytes
        "\xC0\x0C\0\x01"s,                                              // half a record
        ""s,                                                            // a record less than it says
        "\x7F"
        "aaa"s,                                           // a label of no kind
        "\xC0\x0C\0\x05\0\x01\0\0\0\x3C\0\x02\xC0\x2E"s,  // a CNAME that points at itself
        "\xC0\x0C\0\x10\0\x01\0\0\0\x3C\0\x04\x09"
        "abc"s,                                            // a string longer than its record
        "\xC0\x0C\x01\x01\0\x01\0\0\0\x3C\0\x03\0\x09i"s,  // a CAA tag longer than its record
    };
    for (std::size_t i = 0; i < broken.size(); ++i) {
        CAPTURE(i);
        CHECK(told_over_udp([&](const auto& question) { return Messages{answer_to(question, broken[i])}; }) ==
              "dns/failed");
    }
}

TEST_CASE("every answer that is cut off somewhere is no answer, and nothing reads beyond it") {
    int size = 0;
    const HostileNameServer server([&](const std::string& question, bool) {
        return Messages{answer_to(question, kAddress).substr(0, static_cast<std::size_t>(size))};
    });
    const Dns quick({}, Milliseconds(20));
    for (; size < 50; size += 3) {
        CAPTURE(size);
        CHECK_FALSE(quick.ask_server(server.server(), "www.example.test", DnsType::A));
    }
}

TEST_CASE("an answer from another port is never looked at") {
    // Whoever sees the question could send this; whoever only guesses comes from elsewhere.
    const HostileNameServer server([](const std::string& question, bool) {
        const int elsewhere = tests::bound_socket("127.0.0.1", 0, SOCK_DGRAM);
        for (const int port : tests::udp_ports_of_this_process()) {
            sockaddr_in where{};
            where.sin_family = AF_INET;
            where.sin_port = htons(static_cast<std::uint16_t>(port));
            where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            const std::string forged = answer_to(question, kAddress);
            ::sendto(elsewhere, forged.data(), forged.size(), 0, reinterpret_cast<const sockaddr*>(&where),
                     sizeof(where));
        }
        ::close(elsewhere);
        return Messages{};
    });
    CHECK(code_of(ask(server)) == "dns/unreachable");
}

TEST_CASE("a server without EDNS is asked again without") {
    const HostileNameServer server([](const std::string& question, bool) {
        const bool edns = question[11] == 1;
        // Such servers send the header back and nothing else.
        if (edns) return Messages{question.substr(0, 2) + "\x80\x01\0\0\0\0\0\0\0\0"s};
        return Messages{answer_to(question, kAddress)};
    });
    CHECK(code_of(ask(server)) == "none");
}

TEST_CASE("over TCP, too, nothing but the answer counts") {
    const auto told = [&](const std::function<Messages(const std::string&)>& answers) {
        const HostileNameServer server([&](const std::string& question, bool over_tcp) {
            if (!over_tcp) return Messages{answer_to(question, "", 0, '\x86')};
            return answers(question);
        });
        return code_of(ask(server));
    };
    const auto framed = [](const std::string& message) {
        return HostileNameServer::framed(message) + message;
    };
    CHECK(told([&](const auto& question) { return Messages{framed(answer_to(question, kAddress))}; }) ==
          "none");
    // In pieces.
    CHECK(told([&](const auto& question) {
              const std::string all = framed(answer_to(question, kAddress));
              return Messages{all.substr(0, 1), all.substr(1, 10), all.substr(11)};
          }) == "none");
    CHECK(told([&](const auto& question) {
              return Messages{framed(with_id(answer_to(question, kAddress), 1))};
          }) == "dns/failed");
    // Still cut off.
    CHECK(told([&](const auto& question) { return Messages{framed(answer_to(question, "", 0, '\x86'))}; }) ==
          "dns/failed");
    CHECK(told([&](const auto&) { return Messages{}; }) == "dns/failed");
    CHECK(told([&](const auto&) { return Messages{"\0\0"s}; }) == "dns/failed");
    CHECK(told([&](const auto&) { return Messages{"\xFF\xFFx"s}; }) == "dns/failed");
    // The largest there can be, full of addresses.
    CHECK(told([&](const auto& question) {
              std::string many;
              for (int i = 0; i < 4000; ++i) many += kAddress;
              std::string all = answer_to(question, many);
              all.replace(6, 2, "\x0F\xA0");
              return Messages{framed(all)};
          }) == "none");
}

TEST_CASE("a resolver that sends along what nobody asked for is not believed about other names") {
    const HostileNameServer server([](const std::string& question, bool) {
        const std::string foreign =
            "\x05"
            "other\0\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x63"s;
        return Messages{answer_to(question, foreign)};
    });
    const auto addresses = Dns({server.server()}, Milliseconds(500)).addresses_of("www.example.test");
    REQUIRE(addresses);
    CHECK(addresses->empty());
}

TEST_CASE("a resolver that invents an ever longer chain is dns/loop, in bounded time") {
    int count = 0;
    const HostileNameServer server([&](const std::string& question, bool) {
        const std::string label = "n" + std::to_string(++count);
        const std::string name = static_cast<char>(label.size()) + label + "\xC0\x0C";
        return Messages{
            answer_to(question, "\xC0\x0C\0\x05\0\x01\0\0\0\x3C\0"s + static_cast<char>(name.size()) + name)};
    });
    const auto target = Dns({server.server()}, Milliseconds(500)).follow("www.example.test");
    REQUIRE_FALSE(target);
    CHECK(base::to_string(target.error().code) == "dns/loop");
    CHECK(count == 9);
}
