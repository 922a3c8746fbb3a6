// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/expiry.hpp"

#include <algorithm>
#include <vector>

namespace agent {

using base::Instant;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kLongLived = 240h;
constexpr Seconds kLastDays = 72h;

void find_oldest(const Record& record, const std::vector<deployers::EndpointVerdict>& endpoints,
                 const GenerationRecord*& oldest) {
    for (const deployers::EndpointVerdict& endpoint : endpoints) {
        for (const deployers::AddressVerdict& address : endpoint.addresses) {
            const GenerationRecord* served = record.generation_of(address.sha256);
            if (served != nullptr && (oldest == nullptr || served->not_after < oldest->not_after))
                oldest = served;
        }
    }
}

/// Of the warnings that have been given, those of this generation.
int given(const Record& record, const GenerationRecord& served) {
    return record.warned.generation == served.number ? record.warned.stage : 0;
}

}  // namespace

const GenerationRecord* oldest_served(const CertificateConfig& certificate, const Record& record) {
    const GenerationRecord* oldest = nullptr;
    for (const TargetConfig& target : certificate.targets) {
        const TargetRecord* known = record.target(target.name);
        if (known != nullptr && !target.endpoints.empty()) find_oldest(record, known->endpoints, oldest);
    }
    if (!certificate.endpoints.empty()) find_oldest(record, record.endpoints, oldest);
    return oldest != nullptr ? oldest : record.wanted();
}

int stages_of(const GenerationRecord& generation) {
    return generation.not_after - generation.not_before >= kLongLived ? 2 : 1;
}

Instant warning_time(const GenerationRecord& generation, int stage) {
    const Seconds tenth = (generation.not_after - generation.not_before) / 10;
    if (stages_of(generation) == 1) return generation.not_after - tenth;
    return generation.not_after - (stage == 1 ? std::max(tenth, kLastDays) : std::min(tenth, kLastDays));
}

std::optional<ExpiryWarning> due_warning(const CertificateConfig& certificate, const Record& record,
                                         Instant now) {
    const GenerationRecord* served = oldest_served(certificate, record);
    if (served == nullptr) return std::nullopt;
    for (int stage = stages_of(*served); stage > given(record, *served); --stage) {
        if (warning_time(*served, stage) <= now)
            return ExpiryWarning{.generation = served->number, .stage = stage};
    }
    return std::nullopt;
}

std::optional<Instant> next_warning(const CertificateConfig& certificate, const Record& record) {
    const GenerationRecord* served = oldest_served(certificate, record);
    if (served == nullptr || given(record, *served) >= stages_of(*served)) return std::nullopt;
    return warning_time(*served, given(record, *served) + 1);
}

}  // namespace agent
