// SPDX-License-Identifier: Apache-2.0
// receiver.sh as the build has put it into the program (embed.py): without comments and without single
// quotes.
#pragma once

#include <string_view>

namespace deployers {

[[nodiscard]] std::string_view receiver_script();

}  // namespace deployers
