// SPDX-License-Identifier: Apache-2.0
#include "base/runtime.hpp"

#include <malloc.h>
#include <openssl/crypto.h>

namespace base {

namespace {
constexpr int kHeaps = 1;  // threads wait for the CA and for the disk here, not for memory
}  // namespace

void settle_runtime() {
    // What a thread frees stays in its heap, so that a dozen heaps keep a dozen peaks.
    (void)::mallopt(M_ARENA_MAX, kHeaps);  // NOLINT(concurrency-mt-unsafe): there is one thread
    // Only the first call to OpenSSL can say so. The kernel frees what is left, and keys wipe themselves.
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
}

}  // namespace base
