// SPDX-License-Identifier: Apache-2.0
// May a CA issue a certificate's names, as DNS has it? Asked before the CA is.
#pragma once

#include "agent/work/surroundings.hpp"

namespace agent {

/// May this CA issue for every name of the certificate, by the account and the challenges it would use (RFC
/// 8659, RFC 8657)? ca/forbidden-by-caa, dns/bogus…; those of the CA's directory. Names that are not public
/// are not asked about.
[[nodiscard]] base::Result<void> check_caa_for(Surroundings& surroundings,
                                               const CertificateConfig& certificate, const CaConfig& ca);

/// Would a CA see this as well? That we could not look is no refusal of its.
[[nodiscard]] bool is_refused_by_caa(const base::Error& error);

}  // namespace agent
