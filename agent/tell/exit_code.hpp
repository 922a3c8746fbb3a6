// SPDX-License-Identifier: Apache-2.0
// The exit codes, and which of them a state of things comes to. Pure.
#pragma once

#include "base/error.hpp"

namespace agent {

struct CertificateStatus;
struct Overview;

/// INTERFACE: what scripts and monitors hold on to.
namespace exit_code {
constexpr int kWell = 0;
constexpr int kUnexpected = 1;
constexpr int kUsage = 2;
constexpr int kNotIssued = 3;
constexpr int kNotDeployed = 4;
constexpr int kNotServed = 5;
constexpr int kBusy = 6;
constexpr int kState = 7;
constexpr int kHeld = 8;
}  // namespace exit_code

/// 3, 4, 5 or 0: what stands in the way, worst first, as `run --once` and `renew` report it.
[[nodiscard]] int exit_code_of(const CertificateStatus& status);
/// The same, of what needs attention only: what `status` and `verify` report.
[[nodiscard]] int attention_code_of(const CertificateStatus& status);

/// 3, 4, 5, 7 or 0: what of all this needs attention, with the state, this machine's clock, and what holds of
/// no certificate alone.
[[nodiscard]] int attention_code_of(const Overview& overview);

/// The exit code for an error that is no certificate's: 2 what a person has to change, 3 a CA's no, 6, 7, 8.
[[nodiscard]] int exit_code_of(const base::Error& error);

/// What two things come to that went wrong, as one exit code (INTERFACE): 7 and 1 come before all others, as
/// what else is told may not hold then; of 2 to 5 the lowest; 6 and 8 only where there is nothing else.
[[nodiscard]] int combined_exit_code(int a, int b);

}  // namespace agent
