// SPDX-License-Identifier: Apache-2.0
// The renewals to come, simulated with the planner itself, against the limits of the CAs.
#include "agent/tell/forecast.hpp"

#include <algorithm>
#include <deque>
#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "agent/tell/words.hpp"
#include "base/registered_domain.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using fixtures::generation;
using fixtures::kNow;
using fixtures::well;

namespace {

constexpr const char* kLetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory";

/// Certificates of a house, and what is forecast of them. A deque, since the simulation points into it.
class House {
  public:
    agent::ForecastSubject& add(const std::string& name, base::Seconds age, base::Seconds life = 90 * 24h) {
        agent::CertificateConfig& config = configs_.emplace_back(
            agent::CertificateConfig{.name = name,
                                     .names = {{.type = base::IdentifierType::Dns, .value = name}},
                                     .ca = {"letsencrypt"}});
        agent::Record record{.name = name};
        if (life > 0s) {
            record.generations = {generation(3, age, life)};
            record.generations[0].ordered_for = agent::wanted_order(config, "letsencrypt");
        }
        return subjects_.emplace_back(agent::ForecastSubject{.config = &config, .record = std::move(record)});
    }

    [[nodiscard]] agent::CertificateConfig& config(std::size_t index) { return configs_[index]; }

    [[nodiscard]] agent::Forecast forecast(int days = 90, const std::string& directory = kLetsEncrypt) {
        return agent::forecast({.subjects = subjects_,
                                .limits = {{"letsencrypt", agent::limits_of(directory)}},
                                .now = kNow,
                                .days = days,
                                .chance = [] { return 0.5; }});
    }

  private:
    std::deque<agent::CertificateConfig> configs_;
    std::vector<agent::ForecastSubject> subjects_;
};

const agent::ForecastLimit& limit(const agent::Forecast& forecast, std::string_view id) {
    return *std::ranges::find_if(forecast.limits, [&](const auto& told) { return told.limit->id == id; });
}

std::vector<std::size_t> busy_days(const agent::Forecast& forecast) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < forecast.days.size(); ++i) {
        for (std::size_t n = 0; n < forecast.days[i].total(); ++n) found.push_back(i);
    }
    return found;
}

}  // namespace

TEST_CASE("forecast: one certificate of 90 days is renewed every sixty") {
    House house;
    house.add("example.com", 24h);
    const agent::Forecast year = house.forecast(365);
    CHECK(busy_days(year) == std::vector<std::size_t>{59, 119, 179, 239, 299, 359});
    CHECK(year.days.front().day == kNow - 12h);
    CHECK(year.days[59].renewals.at("letsencrypt") == 1);
    // A renewal with the same names counts towards one limit only.
    CHECK(limit(year, "same-names").most_used == 1);
    CHECK_FALSE(limit(year, "new-orders").at);
    CHECK_FALSE(limit(year, "registered-domain").at);
}

TEST_CASE("forecast: lives of six days are renewed twice a week, of 47 days every month") {
    House house;
    house.add("short.example", 0s, 160h);
    CHECK(house.forecast(30).total() == 8);  // every 80 hours
    House other;
    other.add("other.example", 0s, 47 * 24h);
    CHECK(busy_days(other.forecast(100)) == std::vector<std::size_t>{31, 63, 94});
}

TEST_CASE("forecast: what is due or was never issued is ordered today") {
    House house;
    house.add("due.example", 70 * 24h);
    house.add("new.example", 0s, 0s);
    auto& failing = house.add("failing.example", 70 * 24h).record.issuance;
    failing = fixtures::failure(base::Code::CaRateLimited, 3, 6h, 48h);
    failing->error.retry_at = failing->next_attempt;  // as the CA has said; we never wait for so long
    house.add("open.example", 24h).has_open_order = true;
    const agent::Forecast told = house.forecast(10);
    CHECK(busy_days(told) == std::vector<std::size_t>{0, 0, 0, 2});
    CHECK(told.assumed == 1);
    CHECK(limit(told, "new-orders").most_used == 1);
}

TEST_CASE("forecast: a CA's window is kept to, and counts towards no limit") {
    House house;
    agent::ForecastSubject& subject = house.add("example.com", 24h);
    subject.record.generations[0].renewal_id = "aki.serial";
    const base::Instant begin = subject.record.generations[0].not_before;
    subject.record.suggestion = agent::Suggestion{
        .generation = 3, .start = begin + 50 * 24h, .end = begin + 52 * 24h, .at = begin + 51 * 24h};
    const agent::Forecast told = house.forecast(180);
    CHECK(busy_days(told) == std::vector<std::size_t>{50, 101, 152});
    for (const agent::ForecastLimit& each : told.limits) CHECK_FALSE(each.at);
    // An emergency of the CA's is over with the generation that it was about.
    subject.record.suggestion =
        agent::Suggestion{.generation = 3, .start = kNow - 2h, .end = kNow - 1h, .at = kNow - 90min};
    House again;
    again.add("example.com", 24h) = subject;
    CHECK(busy_days(again.forecast(90)) == std::vector<std::size_t>{0, 60});
}

TEST_CASE("forecast: the limits, and who would reach them when") {
    struct Case {
        std::string_view name, limit;
        int certificates;
        std::string_view suffix;
        int most_used;
        std::size_t beyond;
    };

    for (const Case& c : {
             Case{"300 names of their own", "new-orders", 300, ".example", 300, 0},
             Case{"306 of them", "new-orders", 306, ".example", 300, 6},
             Case{"50 names of one domain", "registered-domain", 50, ".shops.co.uk", 50, 0},
             Case{"and one more", "registered-domain", 51, ".shops.co.uk", 50, 1},
             Case{"a public suffix", "registered-domain", 51, ".co.uk", 1, 0},
         }) {
        CAPTURE(c.name);
        House house;
        for (int i = 0; i < c.certificates; ++i)
            house.add("n" + std::to_string(i) + std::string(c.suffix), 0s, 0s);
        const agent::ForecastLimit told = limit(house.forecast(30), c.limit);
        CHECK(told.most_used == c.most_used);
        CHECK(told.beyond == c.beyond);
        CHECK(told.reached_at.has_value() == (c.beyond > 0));
        if (told.reached_at) CHECK(*told.reached_at == kNow);
    }
}

TEST_CASE("forecast: the same names too often, what was issued lately included") {
    House house;
    agent::ForecastSubject& subject = house.add("example.com", 70 * 24h);
    const agent::GenerationRecord last = subject.record.generations[0];
    for (int i = 0; i < 5; ++i) {
        agent::GenerationRecord recent = last;
        recent.number = 4 + i;
        recent.issued_at = recent.not_before = kNow - std::chrono::hours(5 - i);
        recent.not_after = recent.not_before + 90 * 24h;
        subject.record.generations.push_back(recent);
    }
    CHECK_FALSE(limit(house.forecast(), "same-names").reached_at);
    // Another key type is another order with the same names.
    house.config(0).key_type = base::KeyType::Rsa2048;
    const agent::ForecastLimit told = limit(house.forecast(), "same-names");
    CHECK(told.beyond == 1);
    CHECK(told.reached_by == "example.com");
    CHECK(*told.reached_at == kNow);
}

TEST_CASE("forecast: of a CA that is not in the table no limit is claimed") {
    House house;
    house.add("example.com", 24h);
    const agent::Forecast told = house.forecast(90, "https://acme.bank.example/dir");
    CHECK(told.limits.empty());
    CHECK(told.unlimited == std::vector<std::string>{"letsencrypt"});
    CHECK(agent::to_chart(told, 80, false).find("The limits of letsencrypt are not known.") !=
          std::string::npos);
}

TEST_CASE("forecast: a year of 83,000 certificates takes seconds") {
    House house;
    for (int i = 0; i < 83'000; ++i)
        house.add("n" + std::to_string(i) + ".example.com", std::chrono::minutes(i % 86'400));
    const auto begun = std::chrono::steady_clock::now();
    const agent::Forecast told = house.forecast(365);
    const auto took = std::chrono::steady_clock::now() - begun;
    CHECK(told.total() > 83'000UL * 5);
    CHECK(told.total() < 83'000UL * 7);
    CHECK_FALSE(limit(told, "registered-domain").reached_at);
    CHECK(agent::to_chart(told, 80, false).find("No limit would be reached.") != std::string::npos);
    CHECK(took < 60s);  // of an unoptimized build on a busy machine
}

TEST_CASE("forecast: the chart fits its width, marks its peak, and says what would be reached") {
    House house;
    for (int i = 0; i < 306; ++i) house.add("n" + std::to_string(i) + ".example", 0s, 0s);
    for (int i = 0; i < 40; ++i)
        house.add("m" + std::to_string(i) + ".example", std::chrono::hours(24 * i), 90 * 24h);
    for (const int days : {1, 7, 90, 365, 1000}) {
        for (const std::size_t width : {40U, 80U, 120U, 400U}) {
            const std::string chart = agent::to_chart(house.forecast(days), width, false);
            CAPTURE(chart);
            std::size_t begin = 0;
            for (std::size_t end = 0; (end = chart.find('\n', begin)) != std::string::npos; begin = end + 1)
                CHECK(agent::columns(chart.substr(begin, end - begin)) <= width);
            CHECK(chart.find("▼") != std::string::npos);
            CHECK(chart.find("\033[") == std::string::npos);
        }
    }
    const std::string chart = agent::to_chart(house.forecast(90), 120, true);
    CAPTURE(chart);
    CHECK(chart.find("renewals a day\n") != std::string::npos);
    CHECK(chart.find("▼ 307 on 20 Jan") != std::string::npos);
    CHECK(chart.find("  ! 300 new orders in 3 h: reached on 21 Nov 2026 12:00 UTC by n300.example; 6 orders "
                     "would have to wait") != std::string::npos);
    CHECK(chart.find("1 limit would be reached.") != std::string::npos);
    CHECK(agent::to_chart(house.forecast(90), 80, false).find("renewals a week\n") != std::string::npos);
}

TEST_CASE("forecast: nothing at all is no chart, but no error") {
    House house;
    CHECK(agent::to_chart(house.forecast(90), 80, false)
              .starts_with("0 renewals of 0 certificates in 90 days.\n"));
    CHECK(agent::to_json(house.forecast(1))["busiest"].is_null());
}

TEST_CASE("forecast: the JSON has every day and every limit") {
    House house;
    house.add("example.com", 24h);
    const nlohmann::json document = agent::to_json(house.forecast());
    CHECK(document["version"] == 1);
    CHECK(document["days"].size() == 90);
    CHECK(document["days"][0] ==
          nlohmann::json{{"date", "2026-11-21"}, {"total", 0}, {"renewals", nlohmann::json::object()}});
    CHECK(document["days"][59]["renewals"]["letsencrypt"] == 1);
    CHECK(document["busiest"]["date"] == "2027-01-19");
    CHECK(document["limits"].size() == 3);
    CHECK(document["limits"][2]["about"] == "example.com");
    CHECK(document["limits"][2]["reached"].is_null());
}

TEST_CASE("registered domain: one label below a public suffix") {
    struct Case {
        const char* name;
        const char* domain;
    };

    for (const Case& c : {Case{"www.example.com", "example.com"}, Case{"example.com", "example.com"},
                          Case{"*.example.com", "example.com"}, Case{"a.b.example.co.uk", "example.co.uk"},
                          Case{"co.uk", "co.uk"}, Case{"www.example.test", "example.test"},
                          Case{"me.github.io", "me.github.io"}, Case{"localhost", "localhost"}}) {
        CAPTURE(c.name);
        CHECK(base::registered_domain(c.name) == c.domain);
    }
}
