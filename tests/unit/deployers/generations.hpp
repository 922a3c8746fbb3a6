// SPDX-License-Identifier: Apache-2.0
// Generations for tests of services: real chains and keys, issued by a CA of the test's own.
#pragma once

#include <string>

#include "deployers/generation.hpp"
#include "tests/unit/deployers/identities.hpp"

namespace tests {

/// Generation `number` of the certificate "example.com": leaf, intermediate, and the key.
inline deployers::Generation make_generation(int number) {
    static const Hierarchy hierarchy;
    const Identity identity = hierarchy.issue({"example.com"});
    return {.certificate = "example.com",
            .number = number,
            .names = dns_names({"example.com"}),
            .chain = identity.chain,
            .key_pem = identity.key.to_pem().value()};
}

}  // namespace tests
