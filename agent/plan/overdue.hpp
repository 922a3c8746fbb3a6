// SPDX-License-Identifier: Apache-2.0
// What should have been done long ago, and has not been tried: nobody works, and nobody says so. Pure.
#pragma once

#include <optional>
#include <string>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "agent/plan/plan.hpp"

namespace agent {

enum class OverdueWork { Renewal, Deployment, Look };

struct Overdue {
    OverdueWork work = OverdueWork::Renewal;
    std::string target{};  // of a deployment or a look; empty: the certificate's own endpoints
    base::Instant since{};
    friend bool operator==(const Overdue&, const Overdue&) = default;
};

/// The gravest of what is due for far longer than any agent or timer needs: a renewal or a look for more than
/// a day, so that a run a day will do, a look for four of its intervals at the least, a deployment for six
/// hours; all sooner where little is left of a short life. What failed is told as that, what is held is none
/// of it. `planned` is the plan at `now`, without wishes.
[[nodiscard]] std::optional<Overdue> find_overdue(const CertificateConfig& certificate, const Record& record,
                                                  const Plan& planned, base::Seconds verify_every,
                                                  base::Instant now);

}  // namespace agent
