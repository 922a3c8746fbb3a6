// SPDX-License-Identifier: Apache-2.0
// What the files of an installation may hold where root writes them for somebody else: certificates, a key,
// and the include file that names them. A file of any other kind, in a place that some service reads, would
// be a way to become root.
#pragma once

#include "base/error.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// Each staged file is PEM: CERTIFICATE blocks and at most one unencrypted private key, at least one block,
/// each of which can be parsed, and not a byte between them. Each published file is such, or an include file:
/// comments, and at least one directive that names a staged file of this installation. A file that holds a
/// key must not be readable by others. deploy/not-allowed.
[[nodiscard]] base::Result<void> check_contents(const Installation& installation);

}  // namespace deployers
