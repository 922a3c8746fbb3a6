// SPDX-License-Identifier: Apache-2.0
// `renewd forget NAME`: drops a certificate that is gone from the configuration, with its keys, its record
// and its history, and says what that is.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "agent/cli/command.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/removed.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

/// Where it was last seen, or put: "web 192.0.2.7:443 (4 min ago)".
std::vector<std::string> last_places(const Record& record, const GenerationRecord& generation,
                                     base::Instant now) {
    std::vector<std::string> places;
    const auto add_seen = [&](const std::string& where, const auto& endpoints, const auto& at) {
        for (const deployers::EndpointVerdict& endpoint : endpoints) {
            for (const deployers::AddressVerdict& address : endpoint.addresses) {
                if (address.sha256 == generation.sha256)
                    places.push_back(where + " " + address.address +
                                     (at ? " (" + relative(*at, now) + ")" : ""));
            }
        }
    };
    for (const TargetRecord& target : record.targets) {
        const std::size_t before = places.size();
        add_seen(target.name, target.endpoints, target.verified_at);
        if (places.size() == before && target.installed == generation.number)
            places.push_back(target.name + " (its files)");
    }
    add_seen("public", record.endpoints, record.endpoints_verified_at);
    return places;
}

/// What goes with it, and what a person should know about that.
std::vector<std::string> account_of(const Record& record, base::Instant now) {
    std::vector<std::string> lines;
    if (record.generations.empty()) lines.emplace_back("nothing was ever issued; its record and its history");
    for (const GenerationRecord& generation : record.generations) {
        const std::string which = "generation " + std::to_string(generation.number);
        const auto places = last_places(record, generation, now);
        const std::string where = places.empty() ? "" : ", last seen on " + listed(places);
        if (generation.revoked_at) {
            lines.push_back(which + ", revoked" + where);
        } else if (generation.not_after <= now) {
            lines.push_back(which + ", expired " + relative(generation.not_after, now) + where);
        } else {
            lines.push_back(which + " with its key, still valid until " +
                            instant_words(generation.not_after) + where +
                            (places.empty() ? "" : ": nobody renews it there any more"));
        }
    }
    for (const Residue& residue : record.residue)
        lines.push_back("a challenge for " + residue.task.identifier.value + " (solver " + residue.solver +
                        ") is still there, and is left to you" +
                        (residue.failure ? ": " + residue.failure->error.message : ""));
    if (!record.hooks.empty())
        lines.push_back(counted(record.hooks.size(), "hook") + " that have not succeeded");
    return lines;
}

Result<void> may_be_forgotten(const Record& record, base::Instant now) {
    const auto waits = std::ranges::find_if(record.revocations, [&](const Revocation& waiting) {
        const GenerationRecord* generation = record.generation(waiting.generation);
        return generation != nullptr && generation->not_after > now;
    });
    if (waits == record.revocations.end()) return {};
    return base::fail(
        Code::UsageWrong,
        record.name + ": generation " + std::to_string(waits->generation) + " is to be revoked (" +
            waits->reason + ") and is not yet, which needs its key",
        "put [certificate.\"" + record.name + "\"] back, then  renewd revoke " + record.name + " --now");
}

Result<std::string> removed_name(Workshop& shop) {
    std::string name = TRY(find_certificate(shop, shop.options.name));
    if (!shop.config.certificates.contains(name)) return name;
    return base::fail(
        Code::UsageWrong,
        name + " is still in the configuration, " + shop.config.file + ": it would only be ordered anew",
        "take [certificate.\"" + name + "\"] out of it first; to deploy nothing for a while:  renewd pause " +
            name);
}

Result<void> forget(Workshop& shop) {
    const std::string name = TRY(removed_name(shop));
    tend_removed(*shop.surroundings, name, /*eager=*/true);
    const auto keeper = TRY(open_in_turn(shop, name));
    const base::Instant now = shop.clock.now();
    TRY(may_be_forgotten(keeper->record(), now));
    const auto lines = account_of(keeper->record(), now);
    TRY(shop.store->forget(name));
    tell_agent_of(shop, {name});
    if (shop.options.json) {
        std::printf("%s\n", json_text({{"version", 1}, {"forgotten", name}, {"dropped", lines}}).c_str());
    } else if (!shop.options.quiet) {
        std::printf("  %s is forgotten; dropped with its record and its history:\n", name.c_str());
        for (const std::string& line : lines) std::printf("    %s\n", line.c_str());
    }
    return {};
}

}  // namespace

int forget_command(Workshop& shop) {
    const auto done = forget(shop);
    if (done) return exit_code::kWell;
    tell(shop.options, done.error());
    return exit_code_of(done.error());
}

}  // namespace agent
