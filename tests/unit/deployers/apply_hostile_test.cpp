// SPDX-License-Identifier: Apache-2.0
// An agent that has been taken over: whatever it says to the root helper, nothing is written, and the helper
// ends.
#include <ostream>

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "deployers/hosts/apply.hpp"
#include "deployers/hosts/places.hpp"
#include "tests/unit/deployers/fake_service.hpp"
#include "tests/unit/deployers/helper_socket.hpp"

namespace {

using tests::FakeService;
using tests::HelperSocket;

/// Says `words` after the greeting, and returns all that is answered until the helper closes.
std::string converse(const HelperSocket& helper, const std::string& words, bool hang_up = true) {
    auto stream = base::LocalStream::connect(helper.path()).value();
    const auto greeting = stream.read_line(base::Seconds{5});
    if (!greeting || greeting->text != "renewd-1 ready") return greeting ? greeting->text : "no greeting";
    (void)stream.send(words);
    std::string said;
    for (;;) {
        // A peer that only waits is ended by the helper's own patience.
        const auto line = stream.read_line(hang_up ? base::Milliseconds{500} : base::Milliseconds{20'000});
        if (!line && hang_up) {
            stream.finish(base::Seconds{5});
            return said;
        }
        if (!line) return said + "(it hangs)";
        if (line->end) return said;
        said += line->text + "\n";
    }
}

std::string install_line(const deployers::Installation& installation, std::size_t size,
                         const std::string& sum, const std::string& work) {
    return "renewd-1 install " + std::to_string(size) + " " + sum + " " +
           std::to_string(installation.deadline.count()) + " " + work + "\n";
}

}  // namespace

TEST_CASE("apply: words that are none") {
    const FakeService service;
    HelperSocket helper(tests::open_gate(), {.patience = base::Seconds{2}});
    const auto installation = service.installation("1");
    const std::string bundle = deployers::to_bundle(installation).reveal();
    const std::string sum = base::sha256_hex(bundle);
    const std::string work = deployers::work_directory(installation);

    struct Case {
        std::string_view name;
        std::string words;
        std::string_view answer;
    };

    std::string damaged = bundle;
    damaged.back() = 'X';
    for (const Case& c :
         {Case{"another version", "renewd-2 install 1 2 3 4\n", "speaks version 1"},
          Case{"another verb", "renewd-1 exec /bin/sh\n", "does not know"},
          Case{"a shell", "/bin/sh -c id\n", "speaks version 1"},
          Case{"a size that is none", "renewd-1 install -1 " + sum + " 40 " + work + "\n", "no number"},
          Case{"an enormous bundle", "renewd-1 install 99999999999999999999 " + sum + " 40 " + work + "\n",
               "no number"},
          Case{"a bundle above the limit", install_line(installation, (1U << 20U) + 1, sum, work),
               "no number"},
          Case{"no digest", "renewd-1 install 100 x 40 " + work + "\n", "no digest"},
          Case{"another digest",
               install_line(installation, bundle.size(), std::string(64, '0'), work) + bundle,
               "damaged or cut short"},
          Case{"a damaged bundle", install_line(installation, damaged.size(), sum, work) + damaged,
               "damaged or cut short"},
          Case{"damaged, with its own digest",
               install_line(installation, damaged.size(), base::sha256_hex(damaged), work) + damaged,
               "damaged or not one of ours"},
          Case{"another working directory",
               install_line(installation, bundle.size(), sum, "/etc/.renewd-000000000000") + bundle,
               "working directory"},
          Case{"too many paths", "renewd-1 inspect 1000000\n", "no number"},
          Case{"a considering of nothing", "renewd-1 consider\n", "no number"},
          Case{"a line without end", std::string(80'000, 'x'), "64 KiB"}}) {
        CAPTURE(c.name);
        const std::string said = converse(helper, c.words, /*hang_up=*/false);
        CAPTURE(said);
        CHECK(said.find(R"("error":"host/protocol")") != std::string::npos);
        CHECK(said.find(c.answer) != std::string::npos);
        CHECK(service.names().empty());
    }
    CHECK(service.log() == "");
}

TEST_CASE("apply: paths that the bundle's own rules refuse") {
    const FakeService service;
    HelperSocket helper(tests::open_gate(), {.patience = base::Seconds{2}});
    const auto installation = service.installation("1");
    std::string bundle = deployers::to_bundle(installation).reveal();
    const std::string from = service.cert();
    const std::string to = service.tls() + "/../cert";
    bundle.replace(bundle.find(from), from.size(), to);
    const std::string said = converse(helper,
                                      install_line(installation, bundle.size(), base::sha256_hex(bundle),
                                                   deployers::work_directory(installation)) +
                                          bundle,
                                      /*hang_up=*/false);
    CHECK(said.find(R"("error":"deploy/unsafe-path")") != std::string::npos);
    CHECK(service.names().empty());
}

TEST_CASE("apply: a peer that stops in the middle") {
    const FakeService service;
    HelperSocket helper(tests::open_gate(), {.patience = base::Seconds{1}});
    const auto installation = service.installation("1");
    const std::string bundle = deployers::to_bundle(installation).reveal();
    const std::string head = install_line(installation, bundle.size(), base::sha256_hex(bundle),
                                          deployers::work_directory(installation));
    SUBCASE("says nothing") {
        CHECK(converse(helper, "", /*hang_up=*/false).find("net/timeout") != std::string::npos);
    }
    SUBCASE("half a line") {
        CHECK(converse(helper, "renewd-1 inst", /*hang_up=*/false).find("net/timeout") != std::string::npos);
    }
    SUBCASE("half a bundle, and waits") {
        CHECK(converse(helper, head + bundle.substr(0, bundle.size() / 2), /*hang_up=*/false)
                  .find("net/timeout") != std::string::npos);
    }
    SUBCASE("half a bundle, and hangs up") {
        CHECK(converse(helper, head + bundle.substr(0, bundle.size() / 2)) == "");
        const auto again = base::LocalStream::connect(helper.path());
        CHECK(again.has_value());
    }
    CHECK(service.names().empty());
    CHECK(service.log() == "");
}

TEST_CASE("apply: the deadline holds against a peer that never says how it ends") {
    const FakeService service;
    HelperSocket helper(tests::open_gate());
    auto installation = service.installation("1");
    installation.deadline = base::Seconds{2};
    installation.test = {};
    const std::string bundle = deployers::to_bundle(installation).reveal();
    const std::string said = converse(helper,
                                      install_line(installation, bundle.size(), base::sha256_hex(bundle),
                                                   deployers::work_directory(installation)) +
                                          bundle,
                                      /*hang_up=*/false);
    CHECK(said.find(R"("outcome":"installed")") != std::string::npos);
    CHECK(said.find("(it hangs)") == std::string::npos);
    CHECK(service.names() == std::vector<std::string>{"cert", "key"});  // what is proven stays
}

TEST_CASE("apply: words after an installation that are none end it, and what is proven stays") {
    const FakeService service;
    HelperSocket helper(tests::open_gate());
    const auto installation = service.installation("1");
    const std::string bundle = deployers::to_bundle(installation).reveal();
    const std::string said = converse(helper,
                                      install_line(installation, bundle.size(), base::sha256_hex(bundle),
                                                   deployers::work_directory(installation)) +
                                          bundle + "remove everything\n",
                                      /*hang_up=*/false);
    CHECK(said.find("after an installation come reload, restore or commit") != std::string::npos);
    CHECK(service.names() == std::vector<std::string>{"cert", "key"});
}
