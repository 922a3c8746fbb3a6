// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/metrics.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "agent/memory/history.hpp"
#include "agent/tell/status.hpp"
#include "agent/work/metrics_keeper.hpp"
#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using namespace std::chrono_literals;
using deployers::Verdict;
using fixtures::kNow;

namespace {

agent::CertificateFigures figures_of(const agent::CertificateConfig& certificate,
                                     const agent::Record& record) {
    return agent::figures_of(agent::status_of(certificate, record, /*has_open_order=*/false, 1h, kNow));
}

/// The lines of one family, without its words.
std::string family(const std::string& text, std::string_view name) {
    std::string lines;
    std::string_view rest = text;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
        const std::string_view line = rest.substr(0, end + 1);
        rest.remove_prefix(end + 1);
        const std::size_t size = std::min(line.find('{'), line.find(' '));
        if (line.substr(0, size) == name) lines += line;
    }
    return lines;
}

}  // namespace

TEST_CASE("metrics: a certificate that is well, and one of whose targets an old one is seen") {
    agent::CertificateConfig certificate = fixtures::certificate({"web", "far"});
    certificate.targets[1].host = "web\"2";
    agent::Record record = fixtures::well();
    record.targets.push_back(record.targets.front());
    record.targets.back().name = "far";
    record.targets.back().endpoints = fixtures::seen(Verdict::Stale, "leaf2");
    record.targets.back().endpoints.front().addresses.front().not_after = kNow + 2h;
    record.targets.back().failure = fixtures::failure(base::Code::VerifyStale);
    const agent::CertificateFigures figures = figures_of(certificate, record);
    const std::string text =
        agent::to_text({.certificates = {&figures},
                        .attempts = {{{"order", "ok"}, 3}, {{"verify", "failed"}, 12}},
                        .limits = {{.ca = "letsencrypt", .limit = "new-orders", .left = 299}},
                        .free_bytes = 1'000'000,
                        .last_pass = kNow,
                        .store_ok = false,
                        .config_ok = false});
    CHECK(family(text, "renewd_served_not_after_seconds") ==
          "renewd_served_not_after_seconds{certificate=\"example.com\",target=\"web\",host=\"\"} 1797854400\n"
          "renewd_served_not_after_seconds{certificate=\"example.com\",target=\"far\",host=\"web\\\"2\"} "
          "1795269600\n");
    CHECK(
        family(text, "renewd_certificate_not_after_seconds") ==
        "renewd_certificate_not_after_seconds{certificate=\"example.com\",ca=\"letsencrypt\"} 1802952000\n");
    CHECK(family(text, "renewd_endpoints") ==
          "renewd_endpoints{certificate=\"example.com\",verdict=\"serving\"} 1\n"
          "renewd_endpoints{certificate=\"example.com\",verdict=\"stale\"} 1\n");
    CHECK(family(text, "renewd_attention") ==
          "renewd_attention{certificate=\"example.com\",severity=\"warning\"} 0\n"
          "renewd_attention{certificate=\"example.com\",severity=\"critical\"} 1\n");
    CHECK(family(text, "renewd_renewal_at_seconds").starts_with("renewd_renewal_at_seconds{certificate="));
    CHECK(family(text, "renewd_held") ==
          "renewd_held{by=\"window\"} 0\nrenewd_held{by=\"pause\"} 0\nrenewd_held{by=\"limit\"} 0\n");
    CHECK(family(text, "renewd_attempts_total") ==
          "renewd_attempts_total{step=\"order\",result=\"ok\"} 3\n"
          "renewd_attempts_total{step=\"verify\",result=\"failed\"} 12\n");
    CHECK(family(text, "renewd_last_pass_seconds") == "renewd_last_pass_seconds 1795262400\n");
    CHECK(family(text, "renewd_config_ok") == "renewd_config_ok 0\n");
    CHECK(family(text, "renewd_store_ok") == "renewd_store_ok 0\n");
    CHECK(family(text, "renewd_store_free_bytes") == "renewd_store_free_bytes 1000000\n");
    CHECK(family(text, "renewd_ca_limit_remaining") ==
          "renewd_ca_limit_remaining{ca=\"letsencrypt\",limit=\"new-orders\"} 299\n");
}

TEST_CASE("metrics: what was never issued, and what is held") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    const auto fresh = figures_of(certificate, {.name = "example.com", .first_seen = kNow});
    CHECK_FALSE(fresh.not_after);
    CHECK(fresh.served.empty());
    CHECK(fresh.verdicts.empty());
    agent::Record record = fixtures::well();
    record.generations.push_back(fixtures::generation(4));
    record.pause = agent::Pause{.since = kNow - 1h, .by = "ada"};
    const auto paused = figures_of(certificate, record);
    CHECK(paused.held == agent::HoldBy::Pause);
    CHECK(family(agent::to_text({.certificates = {&fresh, &paused}}), "renewd_held") ==
          "renewd_held{by=\"window\"} 0\nrenewd_held{by=\"pause\"} 1\nrenewd_held{by=\"limit\"} 0\n");
}

TEST_CASE("metrics: what happens counts as an attempt at its step") {
    for (const auto& [what, step] : {std::pair{"issued", "order"},
                                     {"not_issued", "order"},
                                     {"deployed", "deploy"},
                                     {"not_deployed", "deploy"},
                                     {"hook", "hook"},
                                     {"revoked", "revoke"},
                                     {"not_revoked", "revoke"},
                                     {"paused", ""},
                                     {"drifted", ""}}) {
        CAPTURE(what);
        CHECK(agent::step_of({.what = what}) == step);
    }
}

TEST_CASE("metrics: the file is for all to read, and the next process counts on") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    const std::string path = directory / "renewd.prom";
    {
        agent::MetricsKeeper keeper(files, path);
        keeper.attempted("order", true);
        keeper.attempted("order", true);
        keeper.attempted("deploy", false);
        keeper.note({.name = "a.example.com"}, kNow);
        keeper.note({.name = "b.example.com"}, std::nullopt);
        CHECK(keeper.knows("b.example.com"));
        keeper.keep_only([](const std::string& name) { return name == "a.example.com"; });
        CHECK_FALSE(keeper.knows("b.example.com"));
        REQUIRE(keeper.write({}));
    }
    CHECK(files.info(path).value().mode == 0644);
    agent::MetricsKeeper keeper(files, path);
    keeper.attempted("order", false);
    keeper.attempted("order", true);
    REQUIRE(keeper.write({}));
    const std::string text = base::read_file(files, path, 1 << 20).value();
    CHECK(agent::attempts_in(text) ==
          agent::Attempts{{{"deploy", "failed"}, 1}, {{"order", "failed"}, 1}, {{"order", "ok"}, 3}});
    CHECK(family(text, "renewd_attention").empty());
    CHECK(family(text, "renewd_last_pass_seconds").empty());
    CHECK(agent::attempts_in("renewd_attempts_total{step=\"x\n\nrenewd_attempts_total 3\n").empty());
}

TEST_CASE("metrics: a disk that answers every sync with an error is told of in the file") {
    const tests::TemporaryDirectory directory;
    tests::FaultyFiles files;
    agent::MetricsKeeper keeper(files, directory / "renewd.prom");
    REQUIRE(keeper.write({.store_ok = false}));
    CHECK(base::read_file(files, directory / "renewd.prom", 100'000).value().find("renewd_store_ok 0") !=
          std::string::npos);
    CHECK(std::ranges::count(files.calls(), "sync") == 0);
}

TEST_CASE("metrics: verdicts that are told by one word are one series") {
    agent::Record record = fixtures::well();
    record.endpoints = {{.endpoint = "https://a.example", .verdict = Verdict::Unreachable},
                        {.endpoint = "https://b.example", .verdict = Verdict::NotLooked}};
    const agent::CertificateFigures figures = figures_of(fixtures::certificate(), record);
    CHECK(figures.verdicts.at("unreachable") == 2);
}
