// SPDX-License-Identifier: Apache-2.0
#include "tests/sweep/scene.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/memory/file_store.hpp"
#include "agent/work/pass.hpp"
#include "base/certificate.hpp"
#include "base/key.hpp"
#include "deployers/probe/look.hpp"
#include "tests/sweep/seams.hpp"

namespace sweep {

namespace {

using base::Result;

/// Waits are cut short: what is waited for here answers within milliseconds.
class ShortWaits final : public base::Clock {
  public:
    [[nodiscard]] base::Instant now() const override { return clock_.now(); }

    [[nodiscard]] base::Steady steady() const override { return clock_.steady(); }

    void sleep(base::Milliseconds duration) override {
        clock_.sleep(std::min(duration, base::Milliseconds(15)));
    }

  private:
    base::SystemClock clock_;
};

std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t count(const std::string& text, std::string_view words) {
    std::size_t found = 0;
    for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++found;
    return found;
}

/// The value of a directive of nginx.
std::string directive(const std::string& text, const std::string& name) {
    const std::size_t at = text.find(name + " ");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + name.size() + 1;
    std::string value = text.substr(begin, text.find(';', begin) - begin);
    std::erase(value, '"');
    return value;
}

bool is_well(const agent::Record& record, const agent::CertificateConfig& certificate) {
    const agent::GenerationRecord* wanted = record.wanted();
    if (wanted == nullptr || record.issuance || !record.hooks.empty() || !record.residue.empty())
        return false;
    return std::ranges::all_of(certificate.targets, [&](const agent::TargetConfig& target) {
        const agent::TargetRecord* known = record.target(target.name);
        return known != nullptr && known->installed == wanted->number && known->serving == wanted->number &&
               known->attempting == 0 && !known->failure;
    });
}

}  // namespace

Scene::Scene(agent::Config config, std::string ca_log, std::string webroot, std::string graveyard,
             Trace& trace)
    : config_(std::move(config)),
      ca_log_(std::move(ca_log)),
      webroot_(std::move(webroot)),
      graveyard_(std::move(graveyard)),
      trace_(trace) {}

void Scene::make_due() {
    base::KeyType& type = certificate().key_type;
    // Not the last one's, whichever process ordered that.
    const auto known = record();
    if (known && known->wanted() != nullptr)
        type = base::parse_key_type(known->wanted()->ordered_for.key_type).value_or(type);
    type = type == base::KeyType::EcdsaP256 ? base::KeyType::EcdsaP384 : base::KeyType::EcdsaP256;
}

int Scene::work(const Plan& plan, bool looks) {
    static Fate fate(plan, trace_);
    static SweptFiles files(fate);
    static SweptTransport transport(fate);
    listen_to_the_rest(fate);
    ShortWaits clock;
    auto store = agent::FileStore::open(files, config_.agent.state_dir, /*allow_volatile=*/true);
    if (!store) return 7;
    agent::Progress progress(stdout, agent::Progress::Manner::Silent, clock);
    const bool loud = std::getenv("SWEEP_LOUD") != nullptr;  // NOLINT(concurrency-mt-unsafe)
    spdlog::sink_ptr sink = std::make_shared<spdlog::sinks::null_sink_mt>();
    if (loud) sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    spdlog::logger log("sweep", sink);
    agent::Surroundings surroundings(config_, **store, files, transport, clock, progress, log);
    // A person who tries again by hand: nothing waits for its backoff.
    const auto outcomes =
        agent::run_pass(surroundings, {certificate().name},
                        {.wishes = {.by_hand = true, .look_again = looks, .retry_now = true}});
    if (outcomes.front().error) {
        if (loud) std::fprintf(stderr, "%s\n", outcomes.front().error->message.c_str());
        return 7;
    }
    const auto after = (*store)->load(certificate().name);
    return after && *after && is_well(**after, certificate()) ? 0 : 1;
}

bool Scene::run(const Plan& plan, bool looks) {
    trace_.calls = 0;
    trace_.struck = false;
    trace_.what.fill('\0');
    std::fflush(nullptr);
    const pid_t child = ::fork();  // one thread only, here
    if (child == 0) {
        int code = 99;
        try {
            code = work(plan, looks);
        } catch (const std::exception& bug) {
            std::fprintf(stderr, "sweep: unexpected: %s\n", bug.what());
        }
        ::_exit(code);
    }
    int status = 0;
    (void)::waitpid(child, &status, 0);
    if (WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 99))
        std::fprintf(stderr, "sweep: a run ended badly (status %d) after: %s\n", status, trace_.what.data());
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Result<agent::Record> Scene::record() {
    base::SystemFiles files;
    const auto store = agent::FileStore::open_read_only(files, config_.agent.state_dir);
    auto loaded = TRY(store->load(certificate().name));
    return loaded.value_or(agent::Record{.name = certificate().name});
}

int Scene::generation() {
    const auto known = record();
    return known && known->wanted() != nullptr ? known->wanted()->number : 0;
}

void Scene::judge_store(std::vector<std::string>& wrong) {
    base::SystemFiles files;
    const auto store = agent::FileStore::open_read_only(files, config_.agent.state_dir);
    const std::string& name = certificate().name;
    const auto known = store->load(name);
    if (!known) return wrong.push_back("the state cannot be read: " + known.error().message);
    if (const auto orders = store->open_orders(name); !orders)
        wrong.push_back("the open order cannot be read: " + orders.error().message);
    if (!*known) return;
    int before = 0;
    for (const agent::GenerationRecord& each : (*known)->generations) {
        if (each.number <= before) wrong.emplace_back("generation numbers do not grow");
        before = each.number;
        const auto held = store->generation(name, each.number);
        if (!held) {
            wrong.push_back("generation " + std::to_string(each.number) + ": " + held.error().message);
            continue;
        }
        const auto key = base::PrivateKey::parse(held->key_pem);
        if (!key || !base::prove_pair(held->chain, key->public_key_der(), held->names,
                                      base::SystemClock().now(), base::Code::StateCorrupt))
            wrong.push_back("generation " + std::to_string(each.number) + " is no pair");
        issued_.insert(each.sha256);
    }
    if (before < newest_seen_)
        wrong.push_back("generation " + std::to_string(newest_seen_) + " is gone, the newest is " +
                        std::to_string(before));
    newest_seen_ = std::max(newest_seen_, before);
}

void Scene::judge_target(const agent::TargetConfig& target, std::vector<std::string>& wrong) {
    const std::string include = text_of(target.parameters.include);
    const std::string fullchain = directive(include, "ssl_certificate");
    const std::string key_file = directive(include, "ssl_certificate_key");
    const auto chain = base::parse_chain(text_of(fullchain));
    const auto key = base::PrivateKey::parse(base::Secret(text_of(key_file)));
    if (!chain || !key)
        return wrong.push_back(target.name + " is without a pair: " + fullchain + ", " + key_file);
    const auto proven = base::prove_pair(*chain, key->public_key_der(), certificate().names,
                                         base::SystemClock().now(), base::Code::StateCorrupt);
    if (!proven) return wrong.push_back(target.name + " has a pair that is none: " + proven.error().message);
    if (!issued_.contains(chain->front().sha256()))
        wrong.push_back(target.name + " holds a certificate that the store never held");
}

void Scene::judge_served(const agent::TargetConfig& target, std::vector<std::string>& wrong) {
    for (const deployers::Endpoint& endpoint : target.endpoints) {
        const auto seen =
            deployers::observe(endpoint, endpoint.address, endpoint.address_port, base::Milliseconds(3000));
        if (seen.chain.empty()) {
            wrong.push_back(target.name + " serves nothing: " + seen.detail);
        } else if (!issued_.contains(seen.chain.front().sha256())) {
            wrong.push_back(target.name + " serves a certificate that the store never held");
        }
    }
}

std::vector<std::string> Scene::unsafe() {
    std::vector<std::string> wrong;
    judge_store(wrong);
    for (const agent::TargetConfig& target : certificate().targets) {
        judge_target(target, wrong);
        judge_served(target, wrong);
    }
    return wrong;
}

void Scene::find_leftovers(const std::string& directory, std::vector<std::string>& wrong) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        const std::string name = entry.path().filename();
        const bool is_ours = name.find(".renewd-") != std::string::npos || name.starts_with("next") ||
                             name.starts_with("reserve");
        if (is_ours) wrong.push_back("left behind: " + entry.path().string());
    }
}

std::vector<std::string> Scene::unfinished(int generation) {
    std::vector<std::string> wrong;
    const auto known = record();
    if (!known || known->wanted() == nullptr || known->wanted()->number != generation)
        wrong.push_back("generation " + std::to_string(generation) + " is not the newest, " +
                        std::to_string(this->generation()) + " is");
    if (known && !is_well(*known, certificate())) {
        wrong.emplace_back("not all is well in the end");
        if (known->issuance) wrong.push_back("  " + known->issuance->error.message);
        for (const agent::TargetRecord& target : known->targets)
            if (target.failure) wrong.push_back("  " + target.failure->error.message);
    }
    std::error_code missing;
    const auto live = std::filesystem::read_symlink(
        config_.agent.state_dir + "/certificates/" + certificate().name + "/live", missing);
    if (live != std::to_string(generation)) wrong.push_back("live leads to " + live.string());
    // A receiver that has lost its client ends by itself, a moment later.
    std::vector<std::string> left;
    base::SystemClock clock;
    for (int look = 0; look < 30; ++look) {
        left = leftovers();
        if (left.empty()) break;
        clock.sleep(base::Milliseconds(100));
    }
    wrong.insert(wrong.end(), left.begin(), left.end());
    return wrong;
}

std::vector<std::string> Scene::leftovers() {
    std::vector<std::string> wrong;
    find_leftovers(config_.agent.state_dir, wrong);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(webroot_)) {
        if (!entry.is_directory()) wrong.push_back("a challenge is left behind: " + entry.path().string());
    }
    for (const agent::TargetConfig& target : certificate().targets)
        find_leftovers(base::directory_of(target.parameters.include), wrong);
    return wrong;
}

Counted Scene::counted() const {
    const std::string log = text_of(ca_log_);
    return {.orders = count(log, "Added order \""), .issued = count(log, "Issued certificate serial")};
}

}  // namespace sweep
