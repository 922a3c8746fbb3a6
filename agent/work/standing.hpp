// SPDX-License-Identifier: Apache-2.0
// Looks at the records that the user keeps in DNS for a certificate (dns-persist-01): before an order is
// placed that would fail without them, and between renewals, so that nobody learns of it at the last moment.
#pragma once

#include <optional>
#include <string>

#include "acme/solvers/dns_persist_01.hpp"
#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// The record that ends first; nothing where they hold for ever, where there are none, or where the CA does
/// not say which names it goes by before a challenge does. solver/record-missing, those of DNS, those of
/// the CA's directory.
[[nodiscard]] base::Result<std::optional<acme::RecordEnd>> find_standing_records(
    Surroundings& surroundings, const CertificateConfig& certificate, const CaConfig& ca,
    const std::string& account_url);

/// One look for each CA of the list that has an account of ours, remembered. An order that waits for a record
/// is free to be placed again once it is there. Only the store's errors are errors.
[[nodiscard]] base::Result<void> watch_standing_records(Surroundings& surroundings,
                                                        const CertificateConfig& certificate, Keeper& keeper);

}  // namespace agent
