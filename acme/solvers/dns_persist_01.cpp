// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns_persist_01.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;
using State = PersistJudgement::State;

constexpr base::Seconds kNearEnd{30LL * 24 * 3600};
constexpr std::size_t kStringMax = 255;  // one character-string of a TXT record
constexpr std::size_t kToldMax = 600;    // bytes of a record in a message

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
    if (std::ranges::find(task.issuer_domains, value.issuer) == task.issuer_domains.end()) return {};
    if (!value.parameters) return {.state = State::Unreadable};
    const auto& parameters = *value.parameters;
    const auto account = parameters.find("accounturi");
    if (account == parameters.end() || account->second != task.account_url)
        return {.state = State::OtherAccount};
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

class DnsPersistSolver final : public Solver {
  public:
    DnsPersistSolver(TxtReader read, base::Clock& clock, std::function<void(const std::string&)> tell)
        : read_(std::move(read)), clock_(clock), tell_(std::move(tell)) {}

    [[nodiscard]] std::string_view type() const override { return "dns-persist-01"; }

    [[nodiscard]] bool outlives_us() const override { return false; }  // it puts nothing up

    Result<void> present(const ChallengeTask& task) override {
        if (task.issuer_domains.empty())
            return base::fail(Code::SolverPresent, "the CA did not say which names it goes by");
        const PersistRecord record = record_for(task);
        PersistJudgement worst{.state = State::Good};
        std::string server;
        bool is_first = true;
        for (const TxtAnswer& answer : TRY(read_(record.name))) {
            const PersistJudgement judgement = judge_persist_values(answer.values, task, clock_.now());
            if (is_first || is_better(worst, judgement)) {
                worst = judgement;
                server = answer.server;
            }
            is_first = false;
        }
        if (is_first) worst = {};
        if (worst.state != State::Good) {
            return base::fail(
                Code::SolverRecordMissing,
                record.name + " " + describe(worst, task) +
                    (server.empty() ? "" : " (asked: " + base::printable(server, 100) + ")"),
                "add this record to your DNS:  " + base::printable(zone_line(record), kToldMax));
        }
        if (worst.until && *worst.until - clock_.now() < kNearEnd && tell_) {
            tell_(record.name + ": the record for " + task.issuer_domains.front() + " ends at " +
                  base::format_instant(*worst.until) + "; give it a later persistUntil, or none");
        }
        return {};
    }

    Result<void> clean_up(const ChallengeTask& /*task*/) override { return {}; }

  private:
    TxtReader read_;
    base::Clock& clock_;
    std::function<void(const std::string&)> tell_;
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

std::unique_ptr<Solver> make_dns_persist_solver(TxtReader read, base::Clock& clock,
                                                std::function<void(const std::string&)> tell) {
    return std::make_unique<DnsPersistSolver>(std::move(read), clock, std::move(tell));
}

}  // namespace acme
