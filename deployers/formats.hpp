// SPDX-License-Identifier: Apache-2.0
// The PEM forms in which servers want a generation. Pure.
#pragma once

#include "base/secret.hpp"
#include "deployers/deployer.hpp"
#include "deployers/generation.hpp"

namespace deployers {

/// True if a file of this form holds the private key.
[[nodiscard]] bool holds_key(Form form);

/// What a file of this form holds; of a generation without a key, nothing in the key's place. `key_first` is
/// for Form::Combined: Postfix wants the key before its chain, HAProxy does not mind. Neither blank lines nor
/// text between the blocks: on HAProxy's runtime socket a blank line ends the payload, and what follows of a
/// private key would be taken for commands.
[[nodiscard]] base::Secret render(Form form, const Generation& generation, bool key_first = false);

}  // namespace deployers
