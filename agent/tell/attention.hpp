// SPDX-License-Identifier: Apache-2.0
// What is wrong with a certificate or holds it, and whether that needs a person. Pure.
#pragma once

#include <optional>
#include <string>

#include "agent/memory/record.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

namespace agent {

struct CertificateStatus;

struct Attention {
    bool is_critical = false;
    base::Instant since{};
    std::string cause{};  // "verify/stale/web": what it is about
    base::Error error{};
    friend bool operator==(const Attention&, const Attention&) = default;
};

/// A thing that holds, as in `conditions`.
struct Condition {
    std::string code{};
    base::Instant since{};
    std::string message{};
    std::string hint{};
};

/// Notes all that holds of a certificate that is in the configuration, and the first of it that needs a
/// person. What is served of it must have been counted.
void judge_attention(CertificateStatus& status, base::Instant now);
/// This machine's clock is ahead, and that holds the order that is due.
void hold_for_clock(CertificateStatus& status, const base::Error& error, base::Instant now);
/// Something should have been done long ago, and nobody has tried it. To be called last: what else is wrong
/// with it, or holds it, explains more.
void note_overdue(CertificateStatus& status, base::Seconds verify_every, base::Instant now);

/// What is wrong at the certificate's own endpoints, a line each: a balancer that nobody deploys to, a
/// forgotten address. Nothing where all of them serve what they should, or nobody has looked yet.
[[nodiscard]] std::optional<base::Error> public_error(const Record& record);

}  // namespace agent
