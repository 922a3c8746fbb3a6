// SPDX-License-Identifier: Apache-2.0
#include "agent/work/caa_check.hpp"

#include "acme/caa.hpp"

namespace agent {

using base::Code;
using base::Result;

Result<void> check_caa_for(Surroundings& s, const CertificateConfig& certificate, const CaConfig& ca) {
    if (!s.config.dns.is_public) return {};
    const acme::Directory directory = TRY(s.session(ca).directory());
    const auto account = TRY(s.store.account(ca.name, ca.directory));
    for (const base::Identifier& name : certificate.names) {
        const SolverConfig* solver = solver_for(s.config, certificate, name);
        TRY(acme::check_caa(s.dns, name,
                            {.identities = directory.caa_identities,
                             .account_url = account ? account->url : std::string(),
                             .method = solver == nullptr ? std::string() : solver->type,
                             .is_wildcard = name.is_wildcard()}));
    }
    return {};
}

bool is_refused_by_caa(const base::Error& error) {
    return error.code == Code::CaForbidden || error.code == Code::DnsBogus || error.code == Code::DnsLoop;
}

}  // namespace agent
