// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/keeping.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace agent {

namespace {

/// The generations that concern a target; 0 is none.
std::array<int, 3> generations_on(const TargetRecord& target) {
    return {target.installed, target.serving, target.attempting};
}

bool is_among(const std::vector<int>& numbers, int number) {
    return std::ranges::find(numbers, number) != numbers.end();
}

}  // namespace

std::vector<int> generations_to_keep(const CertificateConfig& certificate, const Record& record, int keep) {
    std::set<int> kept;
    for (const TargetConfig& target : certificate.targets) {
        if (const TargetRecord* known = record.target(target.name)) {
            for (const int number : generations_on(*known)) kept.insert(number);
        }
    }
    kept.erase(0);
    for (const Revocation& waiting : record.revocations) kept.insert(waiting.generation);
    const std::size_t count = record.generations.size();
    for (std::size_t i = count - std::min(count, static_cast<std::size_t>(keep)); i < count; ++i)
        kept.insert(record.generations[i].number);
    return {kept.begin(), kept.end()};
}

void let_go(const CertificateConfig& certificate, Record& record, const std::vector<int>& kept) {
    std::erase_if(record.generations, [&](const GenerationRecord& g) { return !is_among(kept, g.number); });
    std::erase_if(record.targets, [&](const TargetRecord& target) {
        const bool is_configured = std::ranges::find(certificate.targets, target.name, &TargetConfig::name) !=
                                   certificate.targets.end();
        const auto numbers = generations_on(target);
        return !is_configured &&
               std::ranges::none_of(numbers, [&](int number) { return is_among(kept, number); });
    });
    if (certificate.endpoints.empty()) {
        record.endpoints.clear();
        record.endpoints_verified_at.reset();
    }
}

}  // namespace agent
