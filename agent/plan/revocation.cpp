// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/revocation.hpp"

#include <algorithm>

#include "agent/plan/retry.hpp"

namespace agent {

using base::Instant;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;

namespace {

/// What one look has shown of where a leaf is.
class Sight {
  public:
    Sight(std::string leaf, Instant since) : leaf_(std::move(leaf)), since_(since) {}

    void add(const std::string& where, const std::vector<deployers::Endpoint>& endpoints,
             const std::vector<EndpointVerdict>& seen, const std::optional<Instant>& at) {
        if (endpoints.empty()) return;
        if (!at || *at < since_ || seen.empty()) {
            places_.push_back(where + ", not looked at since");
            return;
        }
        for (const EndpointVerdict& endpoint : seen) {
            if (endpoint.addresses.empty()) places_.push_back(where + ", " + endpoint.endpoint);
            for (const AddressVerdict& address : endpoint.addresses) {
                // Nobody has told what an address shows that does not answer: it may be back in a minute.
                const bool may_show_it = address.sha256.empty() || address.sha256 == leaf_;
                if (address.verdict != Verdict::NotReachableFromHere && may_show_it)
                    places_.push_back(where + ", " + address.address);
            }
        }
    }

    void add_files(const std::string& where) { places_.push_back(where + ", its files"); }

    [[nodiscard]] std::vector<std::string> places() && { return std::move(places_); }

  private:
    std::string leaf_;
    Instant since_;
    std::vector<std::string> places_;
};

std::vector<deployers::Endpoint> endpoints_in(const std::vector<EndpointVerdict>& seen) {
    std::vector<deployers::Endpoint> endpoints;
    endpoints.reserve(seen.size());
    for (const EndpointVerdict& endpoint : seen) endpoints.push_back({.text = endpoint.endpoint});
    return endpoints;
}

}  // namespace

CertificateConfig as_remembered(const Record& record) {
    CertificateConfig gone{.name = record.name, .endpoints = endpoints_in(record.endpoints)};
    gone.targets.reserve(record.targets.size());
    for (const TargetRecord& target : record.targets)
        gone.targets.push_back({.name = target.name, .endpoints = endpoints_in(target.endpoints)});
    return gone;
}

std::vector<std::string> places_of(const CertificateConfig& certificate, const Record& record, int number) {
    const GenerationRecord* generation = record.generation(number);
    const GenerationRecord* wanted = record.wanted();
    if (generation == nullptr || wanted == nullptr) return {};
    Sight sight(generation->sha256, wanted->issued_at);
    for (const TargetConfig& target : certificate.targets) {
        const TargetRecord* known = record.target(target.name);
        if (known == nullptr) continue;  // nothing of ours was ever put there
        if (known->installed == number || known->attempting == number) {
            sight.add_files(target.name);
        } else {
            sight.add(target.name, target.endpoints, known->endpoints, known->verified_at);
        }
    }
    sight.add("public", certificate.endpoints, record.endpoints, record.endpoints_verified_at);
    return std::move(sight).places();
}

std::optional<Instant> revocation_time(const CertificateConfig& certificate, const Record& record,
                                       const Revocation& revocation, Instant now, bool eager) {
    const GenerationRecord* generation = record.generation(revocation.generation);
    const GenerationRecord* wanted = record.wanted();
    if (generation == nullptr || wanted == nullptr) return std::nullopt;
    std::optional<Instant> at = revocation.not_later_than;
    const bool is_replaced = wanted->number > generation->number && !wanted->revoked_at;
    if (is_replaced && places_of(certificate, record, generation->number).empty())
        at = std::min(now, at.value_or(now));
    if (at && revocation.failure && !eager) at = std::max(*at, believed_attempt(*revocation.failure, now));
    return at;
}

std::optional<Instant> next_revocation(const CertificateConfig& certificate, const Record& record,
                                       Instant now, bool eager) {
    std::optional<Instant> next;
    for (const Revocation& revocation : record.revocations) {
        const auto at = revocation_time(certificate, record, revocation, now, eager);
        if (at) next = std::min(next.value_or(*at), *at);
    }
    return next;
}

bool waits_for_a_look(const Record& record, Instant now) {
    return !record.revocations.empty() && record.wanted() != nullptr && record.endpoints_verified_at &&
           *record.endpoints_verified_at < std::min(record.wanted()->issued_at, now);
}

}  // namespace agent
