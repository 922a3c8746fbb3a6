// SPDX-License-Identifier: Apache-2.0
#include "base/registered_domain.hpp"

#include <libpsl.h>

namespace base {

std::optional<std::string> registered_domain(std::string_view name) {
    const psl_ctx_t* list = psl_builtin();
    if (list == nullptr) return std::nullopt;
    if (name.starts_with("*.")) name.remove_prefix(2);
    std::string domain(name);
    const char* found = psl_registrable_domain(list, domain.c_str());  // points into `domain`
    return found == nullptr ? domain : std::string(found);
}

}  // namespace base
