// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/propagation.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "acme/solvers/dns/delegation.hpp"
#include "base/encoding.hpp"
#include "base/parallel.hpp"

namespace acme {

namespace {

using base::Code;
using base::Result;

constexpr std::size_t kAtOnce = 16;
constexpr std::size_t kNamesTold = 3;
constexpr std::size_t kServersTold = 4;  // of one name

/// Where one name is looked at, what has to be seen there, and what was seen last.
struct Look {
    std::string asked{};             // the name of the task, for messages
    std::string name{};              // where CNAMEs lead
    std::set<std::string> values{};  // all of them
    std::string server{};            // "ns2.example.com"; empty for a resolver
    base::DnsServer address{};
    bool is_seen = false;
    bool is_silent = false;
    std::string state{};  // "does not show it yet"

    [[nodiscard]] std::string who() const {
        const std::string at = base::to_string(address);
        return server.empty() || server == at ? at : server + " (" + at + ")";
    }
};

struct Watch {
    std::vector<Look> looks{};
    std::vector<std::string> remarks{};
};

/// Without its final dot, as people write it.
std::string shown(std::string name) {
    if (name.size() > 1 && name.ends_with('.')) name.pop_back();
    return base::printable(name, 260);
}

/// What the answer lacks, in words; empty where everything is there.
std::string missing(const Look& look, const base::DnsAnswer& answer, Propagation mode) {
    if (answer.rcode == 5) return "refuses to answer for it (REFUSED)";
    if (answer.rcode != 0 && answer.rcode != 3) {
        return "cannot answer for it (rcode " + std::to_string(answer.rcode) + ")";
    }
    if (mode == Propagation::Authoritative && !answer.authoritative) return "is not authoritative for it";
    std::set<std::string> there;
    for (const base::DnsRecord& record : answer.records) {
        const bool at_name = mode == Propagation::Resolvers || record.name == look.name;
        if (record.type == base::DnsType::Txt && at_name) there.insert(record.data);
    }
    const auto lacking =
        std::ranges::count_if(look.values, [&](const std::string& value) { return !there.contains(value); });
    if (lacking == 0) return {};
    if (look.values.size() == 1) {
        return there.empty() ? "does not show it yet" : "shows another value";
    }
    return "shows " + std::to_string(look.values.size() - static_cast<std::size_t>(lacking)) + " of " +
           std::to_string(look.values.size()) + " values";
}

/// One question and its answer, into `look`. True where everything was seen.
bool note(Look& look, const Result<base::DnsAnswer>& answer, Propagation mode, std::string_view protocol) {
    look.is_silent = !answer && answer.error().code == Code::DnsUnreachable;
    if (answer) {
        look.state = missing(look, *answer, mode);
    } else {
        look.state = look.is_silent ? "does not answer" : "does not give a proper answer";
    }
    if (look.state.empty()) return true;
    look.state += protocol;
    return false;
}

void look_again(Look& look, Propagation mode, const base::Dns& dns) {
    if (mode == Propagation::Resolvers) {
        look.is_seen = note(look, dns.ask_resolver(look.address, look.name, base::DnsType::Txt), mode, "");
        return;
    }
    // A server, or what stands in front of it, need not be of one mind over UDP and over TCP.
    look.is_seen =
        note(look, dns.ask_server(look.address, look.name, base::DnsType::Txt), mode, "") &&
        note(look, dns.ask_server_over_tcp(look.address, look.name, base::DnsType::Txt), mode, " over TCP");
}

/// The values of one name together, wherever its CNAMEs lead.
std::map<std::string, std::set<std::string>> by_name(std::span<const ExpectedTxt> expected) {
    std::map<std::string, std::set<std::string>> names;
    for (const ExpectedTxt& one : expected) names[one.name].insert(one.value);
    return names;
}

/// A look for each address that can be reached from here; a remark for each that cannot.
Result<void> watch_zone(Watch& watch, const Look& look, const base::Zone& zone) {
    bool any = false;
    for (const base::ZoneServer& server : zone.servers) {
        Look one = look;
        one.server = shown(server.name);
        if (server.addresses.empty()) {
            watch.remarks.push_back(one.server + " was left out: " + server.missing);
        }
        for (const base::DnsServer& address : server.addresses) {
            one.address = address;
            if (base::has_route(address)) {
                watch.looks.push_back(one);
                any = true;
            } else {
                watch.remarks.push_back(one.who() + " was left out: there is no route to it from here");
            }
        }
    }
    if (any) return {};
    return base::fail(
        Code::DnsUnreachable,
        "no name server of " + shown(zone.apex) + " can be reached from here: there is no route",
        R"(propagation = "resolvers" asks those that can be)");
}

/// Whom to ask for one name.
Result<void> watch_name(Watch& watch, Look look, const PropagationPolicy& policy, const base::Dns& dns) {
    if (policy.mode == Propagation::Resolvers) {
        look.name = TRY(base::dns_name(look.asked));
        for (const base::DnsServer& resolver : dns.resolvers()) {
            look.address = resolver;
            watch.looks.push_back(look);
        }
        return {};
    }
    look.name = TRY(find_delegate(dns, look.asked));
    if (policy.mode == Propagation::Authoritative) {
        return watch_zone(watch, look, TRY(dns.zone_of(look.name)));
    }
    const base::ZoneServer server = TRY(dns.find_server(policy.server));
    look.server = policy.server;
    for (const base::DnsServer& address : server.addresses) {
        look.address = address;
        watch.looks.push_back(look);
    }
    return {};
}

Result<Watch> find_watch(const std::map<std::string, std::set<std::string>>& names,
                         const PropagationPolicy& policy, const base::Dns& dns) {
    const std::vector<std::pair<std::string, std::set<std::string>>> list(names.begin(), names.end());
    std::vector<Watch> watches(list.size());
    std::vector<Result<void>> outcomes(list.size());
    base::in_parallel(list.size(), kAtOnce, [&](std::size_t i) {
        outcomes[i] = watch_name(watches[i], {.asked = list[i].first, .values = list[i].second}, policy, dns);
    });
    Watch all;
    for (std::size_t i = 0; i < list.size(); ++i) {
        TRY(std::move(outcomes[i]));
        std::ranges::move(watches[i].looks, std::back_inserter(all.looks));
        for (std::string& remark : watches[i].remarks) {
            if (std::ranges::find(all.remarks, remark) == all.remarks.end()) {
                all.remarks.push_back(std::move(remark));
            }
        }
    }
    return all;
}

/// Everybody was asked who has not shown everything yet.
void look_around(std::vector<Look>& looks, Propagation mode, const base::Dns& dns) {
    std::vector<Look*> open;
    for (Look& look : looks) {
        if (!look.is_seen) open.push_back(&look);
    }
    base::in_parallel(open.size(), kAtOnce, [&](std::size_t i) { look_again(*open[i], mode, dns); });
}

/// A resolver that says nothing is only left out: any of them would do.
bool is_enough(Watch& watch, Propagation mode) {
    std::map<std::string, bool> seen;
    bool all = true;
    for (const Look& look : watch.looks) {
        seen[look.asked] |= look.is_seen;
        all = all && (look.is_seen || (mode == Propagation::Resolvers && look.is_silent));
    }
    if (!all || !std::ranges::all_of(seen, [](const auto& name) { return name.second; })) return false;
    for (const Look& look : watch.looks) {
        const std::string remark = look.who() + " was left out: it " + look.state;
        if (!look.is_seen && std::ranges::find(watch.remarks, remark) == watch.remarks.end()) {
            watch.remarks.push_back(remark);
        }
    }
    return true;
}

/// "ns2.example.com (192.0.2.2) does not show it yet; 1 of 3 servers behind".
std::string behind(const std::vector<Look>& looks, const std::string& asked) {
    std::set<std::string> servers;
    std::set<std::string> late;
    std::string text;
    std::size_t told = 0;
    for (const Look& look : looks) {
        if (look.asked != asked) continue;
        const std::string server = look.server.empty() ? look.who() : look.server;
        servers.insert(server);
        if (look.is_seen) continue;
        late.insert(server);
        if (told++ < kServersTold) text += look.who() + " " + look.state + "; ";
    }
    if (told > kServersTold) text += "and " + std::to_string(told - kServersTold) + " addresses more; ";
    return text + std::to_string(late.size()) + " of " + std::to_string(servers.size()) + " servers behind";
}

base::Failure not_propagated(const std::vector<Look>& looks, const PropagationPolicy& policy) {
    std::set<std::string> names;
    bool silent = false;
    for (const Look& look : looks) {
        if (!look.is_seen) names.insert(look.asked);
        silent = silent || look.is_silent;
    }
    std::string text;
    std::size_t told = 0;
    for (const std::string& name : names) {
        if (told++ < kNamesTold)
            text += (text.empty() ? "" : ". ") + shown(name) + ": " + behind(looks, name);
    }
    if (told > kNamesTold) text += ". And " + std::to_string(told - kNamesTold) + " names more";
    std::string hint = "the CA was not asked to look; give the servers more time, or see why they differ";
    if (policy.mode == Propagation::Resolvers) {
        hint =
            "a resolver that was asked too early remembers for a while that there was nothing; "
            "propagation = \"authoritative\" asks where nothing is remembered";
    } else if (silent) {
        hint =
            "is port 53 open from here over UDP and TCP? propagation = \"resolvers\" asks your resolvers "
            "alone";
    }
    return base::fail(Code::DnsNotPropagated,
                      "not seen after " + std::to_string(policy.patience.count()) + " s: " + text, hint);
}

bool is_worth_waiting(const base::Error& error) {
    return error.code == Code::DnsUnreachable || error.code == Code::DnsFailed;
}

}  // namespace

std::optional<Propagation> parse_propagation(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, Propagation>, 4> kNames{
        {{"authoritative", Propagation::Authoritative},
         {"resolvers", Propagation::Resolvers},
         {"server", Propagation::Server},
         {"none", Propagation::None}}};
    for (const auto& [name, mode] : kNames) {
        if (name == text) return mode;
    }
    return std::nullopt;
}

Result<std::vector<std::string>> wait_until_propagated(std::span<const ExpectedTxt> expected,
                                                       const PropagationPolicy& policy, const base::Dns& dns,
                                                       base::Clock& clock) {
    if (policy.mode == Propagation::None || expected.empty()) return std::vector<std::string>{};
    const base::Steady until = clock.steady() + policy.patience;
    const auto names = by_name(expected);
    Result<Watch> watch = find_watch(names, policy, dns);
    while (!watch && is_worth_waiting(watch.error()) && clock.steady() + policy.poll <= until) {
        clock.sleep(policy.poll);
        watch = find_watch(names, policy, dns);
    }
    if (!watch) return base::Failure(std::move(watch).error());
    for (;;) {
        look_around(watch->looks, policy.mode, dns);
        if (is_enough(*watch, policy.mode)) return std::move(watch->remarks);
        if (clock.steady() + policy.poll > until) return not_propagated(watch->looks, policy);
        clock.sleep(policy.poll);
    }
}

}  // namespace acme
