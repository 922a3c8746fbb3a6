// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns_persist_01.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/encoding.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;
using State = PersistJudgement::State;

constexpr std::size_t kAtOnce = 8;
constexpr std::size_t kStringMax = 255;  // one character-string of a TXT record
constexpr std::size_t kToldMax = 600;    // bytes of a record in a message
constexpr std::size_t kRecordsTold = 5;

/// "issuer; tag=value; …"; `parameters` is nothing where a tag stands twice or has no value.
struct IssueValue {
    std::string issuer{};
    std::optional<std::map<std::string, std::string>> parameters{};  // tags in lower case
};

IssueValue parse_issue_value(std::string_view text) {
    const std::size_t end = text.find(';');
    IssueValue value{.issuer = base::lower(base::trimmed(text.substr(0, end))),
                     .parameters = std::map<std::string, std::string>{}};
    while (text.find(';') != std::string_view::npos) {
        text.remove_prefix(text.find(';') + 1);
        const std::string_view parameter = base::trimmed(text.substr(0, text.find(';')));
        if (parameter.empty()) continue;  // a semicolon at the end
        const std::size_t equals = parameter.find('=');
        const bool is_good = equals != std::string_view::npos && equals > 0 && value.parameters &&
                             value.parameters
                                 ->emplace(base::lower(base::trimmed(parameter.substr(0, equals))),
                                           std::string(base::trimmed(parameter.substr(equals + 1))))
                                 .second;
        if (!is_good) {
            value.parameters.reset();
            return value;
        }
    }
    return value;
}

std::optional<base::Instant> parse_until(std::string_view text) {
    const auto seconds = base::parse_number<std::int64_t>(text);
    // Up to the year 9999: beyond it nobody means a time.
    if (!seconds || *seconds < 0 || *seconds > 253'402'300'799) return std::nullopt;
    return base::Instant(base::Seconds(*seconds));
}

PersistJudgement judge_one(const std::string& text, const ChallengeTask& task, base::Instant now) {
    const IssueValue value = parse_issue_value(text);
    const bool is_of_this_ca =
        std::ranges::find(task.issuer_domains, value.issuer) != task.issuer_domains.end();
    if (!value.parameters) return {.state = is_of_this_ca ? State::Unreadable : State::Missing};
    const auto& parameters = *value.parameters;
    const auto account = parameters.find("accounturi");
    const bool is_ours = account != parameters.end() && account->second == task.account_url;
    if (!is_of_this_ca) return {.state = is_ours ? State::OtherIssuer : State::Missing};
    if (!is_ours) return {.state = State::OtherAccount};
    PersistJudgement judgement{.state = State::Good};
    if (const auto until = parameters.find("persistuntil"); until != parameters.end()) {
        judgement.until = parse_until(until->second);
        if (!judgement.until) return {.state = State::Unreadable};
    }
    const auto policy = parameters.find("policy");
    const bool has_wildcard = policy != parameters.end() && base::lower(policy->second) == "wildcard";
    if (task.identifier.is_wildcard() && !has_wildcard) {
        judgement.state = State::NoWildcard;
    } else if (judgement.until && *judgement.until <= now) {
        judgement.state = State::Ended;
    }
    return judgement;
}

/// Of two values of the same state the one that holds longer.
bool is_better(const PersistJudgement& one, const PersistJudgement& other) {
    if (one.state != other.state) return one.state > other.state;
    return other.until && (!one.until || *one.until > *other.until);
}

std::string describe(const PersistJudgement& judgement, const ChallengeTask& task) {
    switch (judgement.state) {
        case State::Missing:
            return "has no TXT record for " + task.issuer_domains.front();
        case State::OtherAccount:
            return "has a TXT record for " + task.issuer_domains.front() + ", but not for our account there";
        case State::OtherIssuer:
            return "has a TXT record for our account, but under another name of the CA than " +
                   task.issuer_domains.front();
        case State::Unreadable:
            return "has a TXT record for " + task.issuer_domains.front() +
                   " with a parameter twice, or a persistUntil that is no time";
        case State::NoWildcard:
            return "has our TXT record without policy=wildcard, which " + task.identifier.value + " needs";
        case State::Ended:
            return "has our TXT record, but it ended at " +
                   base::format_instant(judgement.until.value_or(base::Instant{}));
        case State::Good:
            break;
    }
    return "has our TXT record";
}

/// What all servers agree on: the answer of the one whose value is worth least.
struct Found {
    PersistJudgement judgement{};
    std::string server{};
};

Result<Found> find_one(const TxtReader& read, const ChallengeTask& task, base::Instant now) {
    std::optional<Found> worst;
    for (const TxtAnswer& answer : TRY(read(record_for(task).name))) {
        const PersistJudgement judgement = judge_persist_values(answer.values, task, now);
        if (!worst || is_better(worst->judgement, judgement))
            worst = Found{.judgement = judgement, .server = answer.server};
    }
    return worst.value_or(Found{});
}

bool is_enough(State state, IssuerNames names) {
    return state == State::Good || (state == State::OtherIssuer && names == IssuerNames::Supposed);
}

/// The first that is missing, and all that are to be added.
base::Failure missing(const std::vector<std::pair<const ChallengeTask*, Found>>& records) {
    const auto& [task, found] = records.front();
    std::string message = record_for(*task).name + " " + describe(found.judgement, *task);
    if (!found.server.empty()) message += " (asked: " + base::printable(found.server, 100) + ")";
    if (records.size() > 1) message += "; and " + std::to_string(records.size() - 1) + " more";
    std::string lines;
    for (std::size_t i = 0; i < std::min(records.size(), kRecordsTold); ++i)
        lines +=
            (i == 0 ? "" : "  and  ") + base::printable(zone_line(record_for(*records[i].first)), kToldMax);
    if (records.size() > kRecordsTold)
        lines += "  and so for " + std::to_string(records.size() - kRecordsTold) + " names more";
    return base::fail(
        Code::SolverRecordMissing, message,
        (records.size() == 1 ? "add this record to your DNS:  " : "add these records to your DNS:  ") +
            lines);
}

class DnsPersistSolver final : public Solver {
  public:
    DnsPersistSolver(TxtReader read, base::Clock& clock) : read_(std::move(read)), clock_(clock) {}

    [[nodiscard]] std::string_view type() const override { return "dns-persist-01"; }

    [[nodiscard]] bool outlives_us() const override { return false; }  // it puts nothing up

    Result<void> present(const ChallengeTask& task) override {
        if (!task.issuer_domains.empty()) return {};
        return base::fail(Code::SolverPresent, "the CA did not say which names it goes by");
    }

    Result<void> wait_until_seen(std::span<const ChallengeTask> tasks) override {
        TRY(find_persist_records(read_, tasks, IssuerNames::Known, clock_.now()));
        return {};
    }

    Result<void> clean_up(const ChallengeTask& /*task*/) override { return {}; }

  private:
    TxtReader read_;
    base::Clock& clock_;
};

std::vector<std::string> texts_at(const base::DnsAnswer& answer, const std::string& name) {
    std::vector<std::string> values;
    for (const base::DnsRecord& record : answer.records) {
        if (record.type == base::DnsType::Txt && record.name == name) values.push_back(record.data);
    }
    return values;
}

}  // namespace

PersistRecord record_for(const ChallengeTask& task) {
    const bool wildcard = task.identifier.is_wildcard();
    PersistRecord record{
        .name = "_validation-persist." + task.identifier.value.substr(wildcard ? 2 : 0) + ".",
        .value = task.issuer_domains.empty() ? std::string() : task.issuer_domains.front()};
    record.value += "; accounturi=" + task.account_url;
    if (wildcard) record.value += "; policy=wildcard";
    return record;
}

std::string zone_line(const PersistRecord& record) {
    std::string line = record.name + " IN TXT";
    for (std::size_t at = 0; at == 0 || at < record.value.size(); at += kStringMax) {
        line += " \"";
        for (const char c : record.value.substr(at, kStringMax)) {
            if (c == '"' || c == '\\') line += '\\';
            line += c;
        }
        line += '"';
    }
    return line;
}

PersistJudgement judge_persist_values(const std::vector<std::string>& values, const ChallengeTask& task,
                                      base::Instant now) {
    PersistJudgement best;
    for (const std::string& value : values) {
        const PersistJudgement judgement = judge_one(value, task, now);
        if (is_better(judgement, best)) best = judgement;
    }
    return best;
}

Result<std::optional<RecordEnd>> find_persist_records(const TxtReader& read,
                                                      std::span<const ChallengeTask> tasks, IssuerNames names,
                                                      base::Instant now) {
    // A wildcard and its parent share a name, and what serves the wildcard serves the parent as well.
    std::map<std::string, const ChallengeTask*> by_name;
    for (const ChallengeTask& task : tasks) {
        const ChallengeTask*& chosen = by_name[record_for(task).name];
        if (chosen == nullptr || task.identifier.is_wildcard()) chosen = &task;
    }
    std::vector<const ChallengeTask*> wanted;
    wanted.reserve(by_name.size());
    for (const auto& [name, task] : by_name) wanted.push_back(task);
    std::vector<Result<Found>> found(wanted.size());
    base::in_parallel(wanted.size(), kAtOnce,
                      [&](std::size_t i) { found[i] = find_one(read, *wanted[i], now); });
    std::optional<RecordEnd> end;
    std::vector<std::pair<const ChallengeTask*, Found>> lacking;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const Found one = TRY(std::move(found[i]));
        if (!is_enough(one.judgement.state, names)) lacking.emplace_back(wanted[i], one);
        const auto until = one.judgement.until;
        if (until && (!end || *until < end->at))
            end = RecordEnd{.name = record_for(*wanted[i]).name, .at = *until};
    }
    if (!lacking.empty()) return missing(lacking);
    return end;
}

Result<std::vector<TxtAnswer>> read_txt(const base::Dns& dns, const std::string& name, bool authoritative) {
    const base::DnsTarget target = TRY(dns.follow(name));
    if (!authoritative) {
        const base::DnsAnswer answer = TRY(dns.ask(target.name, base::DnsType::Txt));
        return std::vector<TxtAnswer>{{.server = "the resolver", .values = texts_at(answer, target.name)}};
    }
    const base::Zone zone = TRY(dns.zone_of(target.name));
    std::vector<TxtAnswer> answers;
    for (const base::ZoneServer& server : zone.servers) {
        for (const base::DnsServer& address : server.addresses) {
            if (!base::has_route(address)) continue;
            const auto answer = dns.ask_server(address, target.name, base::DnsType::Txt);
            if (!answer || (answer->rcode != 0 && answer->rcode != 3)) continue;
            answers.push_back({.server = server.name, .values = texts_at(*answer, target.name)});
            break;
        }
    }
    if (answers.empty()) {
        return base::fail(Code::DnsUnreachable,
                          "no name server of " + zone.apex + " answers for " + target.name);
    }
    return answers;
}

std::unique_ptr<Solver> make_dns_persist_solver(TxtReader read, base::Clock& clock) {
    return std::make_unique<DnsPersistSolver>(std::move(read), clock);
}

}  // namespace acme
