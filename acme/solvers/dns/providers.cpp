// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "acme/solvers/dns/cloud_kinds.hpp"
#include "acme/solvers/dns/program_kinds.hpp"
#include "acme/solvers/dns/provider.hpp"
#include "acme/solvers/dns/rfc2136.hpp"

namespace acme {

const std::vector<ProviderKind>& provider_kinds() {
    static const std::vector<ProviderKind> kinds = [] {
        std::vector<ProviderKind> all;
        // One function a family of providers, declared in a header of its own.
        for (auto* const family : {&rfc2136_kinds, &cloud_kinds, &program_kinds}) {
            for (ProviderKind& kind : family()) all.push_back(std::move(kind));
        }
        return all;
    }();
    return kinds;
}

const ProviderKind* find_provider_kind(std::string_view name) {
    const auto& kinds = provider_kinds();
    const auto found = std::ranges::find(kinds, name, &ProviderKind::name);
    return found == kinds.end() ? nullptr : &*found;
}

}  // namespace acme
