// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/program_kinds.hpp"

namespace acme {

std::vector<ProviderKind> program_kinds() {
    return {plugin_kind(), exec_kind(), certbot_hooks_kind(), acme_sh_kind(), dehydrated_kind()};
}

}  // namespace acme
