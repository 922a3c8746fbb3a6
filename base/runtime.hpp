// SPDX-License-Identifier: Apache-2.0
// What is decided once for a whole process.
#pragma once

namespace base {

/// To be called first, before there are threads. Settles what the C library and OpenSSL would otherwise do by
/// default: give each thread a heap of its own, and take all tables apart at the end of the process.
void settle_runtime();

}  // namespace base
