// SPDX-License-Identifier: Apache-2.0
// Where a challenge's TXT record belongs: where CNAMEs of its own lead to, and not where a wildcard of the
// whole zone does.
#pragma once

#include <string>
#include <string_view>

#include "base/dns.hpp"
#include "base/error.hpp"

namespace acme {

/// The end of the CNAMEs and DNAMEs at `name`, or `name` itself. `*.example.com CNAME lb.cdn.net` answers for
/// _acme-challenge.example.com as it does for any name that is not there: that is no delegation, and it ends
/// as soon as the record is written. Errors as those of Dns::follow() and Dns::ask().
[[nodiscard]] base::Result<std::string> find_delegate(const base::Dns& dns, std::string_view name);

}  // namespace acme
