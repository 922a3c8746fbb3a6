// SPDX-License-Identifier: Apache-2.0
// What of a certificate's past is kept, and what is let go. Pure.
#pragma once

#include <vector>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"

namespace agent {

/// The numbers of the generations that stay: the newest `keep`, every one that a target of the configuration
/// has, serves or may have got, and every one that is still to be revoked. Ascending.
[[nodiscard]] std::vector<int> generations_to_keep(const CertificateConfig& certificate, const Record& record,
                                                   int keep);

/// Lets go of what the configuration has no use for any more: generations that are not `kept`; what public
/// names once showed, where none is looked at; and targets that it has not, once nothing is kept of what they
/// had. Until then one that comes back goes on where it was.
void let_go(const CertificateConfig& certificate, Record& record, const std::vector<int>& kept);

}  // namespace agent
