// SPDX-License-Identifier: Apache-2.0
// The status of few, some and thousands of certificates, as it is printed: one cause, one entry.
#include "agent/tell/causes.hpp"

#include <algorithm>
#include <deque>
#include <ostream>
#include <sstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "agent/tell/words.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using deployers::Verdict;
using fixtures::kNow;

namespace {

/// Certificates under names of their own; each begins as one that is well.
class Fleet {
  public:
    agent::Record& add(const std::string& name, base::Seconds age = 24h) {
        agent::CertificateConfig& config = configs_.emplace_back(fixtures::certificate());
        config.name = name;
        agent::Record record = fixtures::well();
        record.name = name;
        record.generations = {fixtures::generation(3, age)};
        record.targets[0].endpoints[0].addresses[0].not_after = record.generations[0].not_after;
        records_.push_back(std::move(record));
        return records_.back();
    }

    /// Of the newest.
    agent::CertificateConfig& config() { return configs_.back(); }

    /// The newest has been renewed an hour ago, which is not deployed yet.
    void renew_newest() { records_.back().generations.push_back(fixtures::generation(4, 1h)); }

    [[nodiscard]] agent::Overview overview() const {
        agent::Overview overview{.agent = {.is_running = true, .since = kNow - 19 * 24h}, .now = kNow};
        for (std::size_t i = 0; i < configs_.size(); ++i)
            overview.certificates.push_back(
                agent::status_of(configs_[i], records_[i], /*has_open_order=*/false, 1h, kNow));
        std::ranges::sort(overview.certificates, agent::is_more_urgent);
        return overview;
    }

  private:
    std::deque<agent::CertificateConfig> configs_;
    std::deque<agent::Record> records_;
};

agent::Failure failure(base::Code code, const std::string& message, const std::string& hint = "",
                       const std::string& problem = "") {
    agent::Failure failure = fixtures::failure(code, 3, 9h + 46min, 5h);
    failure.error.message = message;
    failure.error.hint = hint;
    failure.error.problem = problem;
    return failure;
}

Fleet of_three() {
    Fleet fleet;
    fleet.add("www.ada.se", 16 * 24h);
    fleet.add("git.ada.se", 59 * 24h);
    agent::Record& mail = fleet.add("mail.ada.se", 50 * 24h);
    mail.targets[0].endpoints = fixtures::seen(Verdict::Stale, "leaf2");
    mail.targets[0].endpoints[0].addresses[0].not_after = kNow + 81h;
    mail.targets[0].serving = 2;
    mail.targets[0].failure =
        failure(base::Code::VerifyStale, "mail.ada.se on web: [2001:db8::25]:993 serves generation 6",
                "renewd deploy mail.ada.se --target web");
    return fleet;
}

Fleet of_forty() {
    Fleet fleet;
    for (int i = 0; i < 36; ++i) fleet.add("host-" + std::to_string(10 + i) + ".example.com", (23 + i) * 24h);
    fleet.add("shop.example.com", 81 * 24h).issuance =
        failure(base::Code::CaValidationFailed, "cdn.example.com: CAA allows only digicert.com",
                "renewd why shop.example.com", "urn:ietf:params:acme:error:caa");
    fleet.add("api.example.com", 60 * 24h);
    fleet.renew_newest();
    fleet.add("auth.example.com", 60 * 24h);
    fleet.renew_newest();
    fleet.add("pay.example.com", 59 * 24h);
    fleet.renew_newest();
    fleet.config().windows = {agent::parse_window("Tue,Thu 20:00-23:00 UTC").value()};
    return fleet;
}

Fleet of_four_thousand() {
    Fleet fleet;
    for (int i = 0; i < 3921; ++i) fleet.add("shop-" + std::to_string(1000 + i), (1 + i % 58) * 24h);
    for (int i = 0; i < 31; ++i) {
        agent::Record& record = fleet.add("edge-" + std::to_string(10 + i), (84 - i % 10) * 24h);
        fleet.renew_newest();
        fleet.config().targets[0].host = "web112";
        record.targets[0].failure = failure(base::Code::HostKeyChanged, "web112: the key has changed",
                                            "renewd host pin web112 --replace SHA256:9bQz");
    }
    for (int i = 0; i < 12; ++i)
        fleet.add("limited-" + std::to_string(10 + i), 69 * 24h).issuance =
            failure(base::Code::CaRateLimited, "letsencrypt: 300 orders in 3 h", "renewd forecast");
    for (const char* name : {"gone-0417", "gone-2210"})
        fleet.add(name, 81 * 24h).issuance =
            failure(base::Code::CaValidationFailed, std::string(name) + ": NXDOMAIN at the CA", "",
                    "urn:ietf:params:acme:error:dns");
    for (int i = 0; i < 22; ++i) {
        fleet.add("busy-" + std::to_string(10 + i), 60 * 24h);
        fleet.renew_newest();
    }
    for (int i = 0; i < 12; ++i) {
        agent::Record& record = fleet.add("ledger-" + std::to_string(10 + i), 60 * 24h);
        fleet.renew_newest();
        record.pause = agent::Pause{
            .since = kNow - 48h, .until = kNow + 120h, .by = "ada", .reason = "ledger, CHG-88120"};
    }
    return fleet;
}

void check_width(const std::string& table, std::size_t width) {
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        CHECK(agent::columns(line) <= width);
    }
}

struct Golden {
    std::string_view name;
    Fleet (*fleet)();
    std::size_t width;
    std::size_t height;
    std::string_view table;
};

}  // namespace

TEST_CASE("causes: what is printed of 3, 40 and 4,000 certificates, in 80 columns and 120") {
    for (
        const Golden& c : {
            Golden{"3, narrow", of_three, 80, 24, R"(  CERTIFICATE   EXPIRES      SERVED   NEXT
! mail.ada.se   in 3 days    0/1      reloads again in 5 h
    mail.ada.se on web: [2001:db8::25]:993 serves generation 6
    renewd deploy mail.ada.se --target web
  git.ada.se    in 31 days   1/1      renews in 24 h
  www.ada.se    in 74 days   1/1      renews in 44 days

3 certificates, 1 needs attention. Looked 5 min ago; agent running since 2 Nov.
)"},
            Golden{"3, wide", of_three, 120, 24,
                   R"(  CERTIFICATE   CA            GEN   EXPIRES               SERVED   LOOKED      NEXT
! mail.ada.se   letsencrypt   3     in 3 days (24 Nov)    0/1      5 min ago   reloads again in 5 h
    mail.ada.se on web: [2001:db8::25]:993 serves generation 6
    renewd deploy mail.ada.se --target web
  git.ada.se    letsencrypt   3     in 31 days (22 Dec)   1/1      5 min ago   renews in 24 h
  www.ada.se    letsencrypt   3     in 74 days (3 Feb)    1/1      5 min ago   renews in 44 days

3 certificates, 1 needs attention. Looked 5 min ago; agent running since 2 Nov.
)"},
            Golden{"40, narrow", of_forty, 80, 24,
                   R"(40 certificates   36 ok   2 working   1 attention   1 held      looked 5 min ago

  CERTIFICATE        EXPIRES      SERVED   NEXT
! shop.example.com   in 9 days    1/1      orders again in 5 h
    cdn.example.com: CAA allows only digicert.com
    renewd why shop.example.com
~ api.example.com    in 30 days   1/1      to be deployed, 1 to go
~ auth.example.com   in 30 days   1/1      to be deployed, 1 to go
= pay.example.com    in 31 days   1/1      held until Tue 20:00 UTC (window)

NEXT  shop.example.com in 5 h · host-45.example.com in 2 days
ALL   renewd status --all
AGENT running since 2 Nov
)"},
            Golden{
                "40, wide", of_forty, 120, 24,
                R"(40 certificates   36 ok   2 working   1 attention   1 held                                              looked 5 min ago

  CERTIFICATE        CA            GEN   EXPIRES               SERVED   LOOKED      NEXT
! shop.example.com   letsencrypt   3     in 9 days (30 Nov)    1/1      5 min ago   orders again in 5 h
    cdn.example.com: CAA allows only digicert.com
    renewd why shop.example.com
~ api.example.com    letsencrypt   4     in 30 days (21 Dec)   1/1      5 min ago   to be deployed, 1 to go
~ auth.example.com   letsencrypt   4     in 30 days (21 Dec)   1/1      5 min ago   to be deployed, 1 to go
= pay.example.com    letsencrypt   4     in 31 days (22 Dec)   1/1      5 min ago   held until Tue 20:00 UTC (window)

NEXT  shop.example.com in 5 h · host-45.example.com in 2 days · host-44.example.com in 3 days · 37 more within 60 days
ALL   renewd status --all
AGENT running since 2 Nov
)"},
            Golden{"4,000, narrow", of_four_thousand, 80, 24,
                   R"(4,000 certificates   3,921 ok   22 working   45 attention   12 held
4,000 of 4,000 places serve what they should                    looked 5 min ago

! web112       31 certificates   ssh host key has changed since 02:14
    first to expire in 6 days; next at 17:00
    renewd host pin web112 --replace SHA256:9bQz
! letsencrypt  12 certificates   a limit is reached since 02:14
    first to expire in 21 days; next at 17:00                    renewd forecast
! gone-0417 and gone-2210   the CA gets no answer from DNS since 02:14
    first to expire in 9 days; next at 17:00                renewd why gone-0417
~ 22 certificates   deploying since 11:00
    first to expire in 30 days                             renewd status --watch
= 12 certificates   paused by ada: ledger, CHG-88120 since 19 Nov
    first to expire in 30 days; next at 26 Nov          renewd deploy NAME --now

EXPIRE   <3 d 0   <7 d 4   <14 d 23   <30 d 18   later 3,955
RENEW    today 14   tomorrow 0   this week 349   busiest 16 Dec: 68
AGENT    running since 2 Nov
)"},
            Golden{
                "4,000, wide", of_four_thousand, 120, 24,
                R"(4,000 certificates   3,921 ok   22 working   45 attention   12 held         4,000 of 4,000 places serve what they should

  CAUSE                              HOLDS UP          SINCE    FIRST EXPIRY   NEXT     WHAT TO DO
! web112: ssh host key has changed   31 certificates   02:14    in 6 days      17:00    renewd why edge-10
! letsencrypt: a limit is reached    12 certificates   02:14    in 21 days     17:00    renewd forecast
! the CA gets no answer from DNS     gone-0417 +1      02:14    in 9 days      17:00    renewd why gone-0417
~ deploying                          22 certificates   11:00    in 30 days     -        renewd status --watch
= paused by ada: ledger, CHG-88120   12 certificates   19 Nov   in 30 days     26 Nov   renewd deploy NAME --now

EXPIRE   <3 d 0   <7 d 4   <14 d 23   <30 d 18   later 3,955
RENEW    today 14   tomorrow 0   this week 349   busiest 16 Dec: 68
AGENT    running since 2 Nov
)"},
        }) {
        CAPTURE(c.name);
        const std::string table =
            agent::to_table(c.fleet().overview(), {.width = c.width, .height = c.height});
        CHECK(table == c.table);
        check_width(table, c.width);
    }
}

TEST_CASE("causes: a row for each, where it is asked for or no terminal is there") {
    const agent::Overview overview = of_forty().overview();
    for (const agent::TableLook& look :
         {agent::TableLook{.width = 80}, agent::TableLook{.width = 80, .height = 24, .all = true},
          agent::TableLook{.width = 80, .height = 60}}) {
        const std::string table = agent::to_table(overview, look);
        CHECK(std::ranges::count(table, '\n') >= 43);
        CHECK(table.find("host-10.example.com") != std::string::npos);
        check_width(table, 80);
    }
}

TEST_CASE("causes: the JSON has one entry for each, whatever it holds up") {
    const nlohmann::json causes = agent::to_json(of_four_thousand().overview())["causes"];
    REQUIRE(causes.size() == 3);
    CHECK(causes[0]["id"] == "host/key-changed/web112");
    CHECK(causes[0]["code"] == "host/key-changed");
    CHECK(causes[0]["certificates"] == 31);
    CHECK(causes[0]["message"] == "web112: ssh host key has changed");
    CHECK(causes[0]["first_expiry"] == "2026-11-27T12:00:00Z");
    CHECK(causes[1]["id"] == "ca/rate-limited/letsencrypt");
    CHECK(causes[2]["id"] == "ca/validation-failed/dns");
}

TEST_CASE("causes: of many that are well nothing needs anybody, but for what is of no certificate alone") {
    Fleet fleet;
    for (int i = 0; i < 201; ++i) fleet.add("host-" + std::to_string(i) + ".example.com");
    agent::Overview overview = fleet.overview();
    const agent::TableLook look{.width = 80, .height = 24};
    CHECK(agent::to_table(overview, look).find("\nNothing needs anybody.\n") != std::string::npos);
    overview.conditions.push_back(
        {.code = "ca/account", .message = "the CA test has lost the account", .hint = "register again"});
    const std::string table = agent::to_table(overview, look);
    CHECK(table.starts_with("! the CA test has lost the account; register again\n"));
    CHECK(table.find("\nNo certificate needs anybody.\n") != std::string::npos);
}
