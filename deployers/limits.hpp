// SPDX-License-Identifier: Apache-2.0
// How much of everything a deployment may be made of. An honest one is far below each of these.
#pragma once

#include <cstddef>

#include "base/clock.hpp"

namespace deployers {

inline constexpr std::size_t kPathMax = 1024;  // bytes of a path, or of one word of a command
inline constexpr std::size_t kOwnerMax = 64;   // bytes of a user's or group's name
// Bytes of one file; a chain of ten RSA certificates has 20,000.
inline constexpr std::size_t kFileMax = 256UL * 1024;
inline constexpr std::size_t kListMax = 64;               // files, known sets or versions of one target
inline constexpr std::size_t kArgumentsMax = 64;          // words of one command
inline constexpr std::size_t kContentMax = 512UL * 1024;  // bytes of all files of one target
inline constexpr std::size_t kBundleMax = 1024UL * 1024;  // bytes of a whole bundle
inline constexpr base::Seconds kDeadlineMax{3600};        // of a command, and of an executor
inline constexpr base::Seconds kTargetLockPatience{10};   // a run whose client has gone ends within a command
inline constexpr base::Seconds kServiceLockPatience{180};  // a whole deployment of somebody else's
inline constexpr base::Seconds kVerifyForMax{2400};        // what fits into kDeadlineMax beside all the rest
inline constexpr std::size_t kOutputMax = 4000;            // bytes of a command's output that are reported
inline constexpr std::size_t kReportMax = 64UL * 1024;     // bytes of an executor's answer

}  // namespace deployers
