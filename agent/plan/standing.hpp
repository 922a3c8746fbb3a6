// SPDX-License-Identifier: Apache-2.0
// Records that the user keeps in DNS (dns-persist-01) have to be there at every renewal: whether they will
// be, as far as is known. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "base/clock.hpp"

namespace agent {

/// When they are to be looked at: daily, and again and again while something is wrong with them. Nothing:
/// there are none, or nothing has been issued by them yet and no order waits for them.
[[nodiscard]] std::optional<base::Instant> next_look_at_records(const CertificateConfig& certificate,
                                                                const Record& record, base::Instant now,
                                                                bool is_eager);

/// solver/record-ends, since it is worth telling: one ends before the generation that is held now, or within
/// thirty days, so that a renewal may come too late for it. Nothing where they last longer, or one is missing
/// already.
[[nodiscard]] std::optional<Failure> ending_record(const CertificateConfig& certificate, const Record& record,
                                                   base::Instant now);

/// What a look has shown of those that one CA needs. An error about the CA says nothing of them.
struct RecordsSeen {
    std::string ca{};
    base::Result<std::optional<acme::RecordEnd>> end{};
};

/// What was last seen of them, and what this look has shown, in the order of the list: what is wrong with the
/// first that is not well, else the earliest end. What was known of a CA's that could not be looked for
/// stays.
[[nodiscard]] StandingRecords next_standing(const std::optional<StandingRecords>& before,
                                            const std::vector<RecordsSeen>& seen, base::Instant now,
                                            double chance);

}  // namespace agent
