// SPDX-License-Identifier: Apache-2.0
// Between the JSON of RFC 8555 and our values. Reading never throws, ignores members it does not know, and
// takes no URL that is not https; whatever is wrong is ca/protocol with the member's name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "acme/types.hpp"
#include "base/error.hpp"

namespace acme {

// Each takes the body of an answer and the URL that was asked, against which relative URLs are resolved.
[[nodiscard]] base::Result<Directory> parse_directory(std::string_view body, std::string_view request_url);
/// `url` of the result is `request_url`: give the order's own.
[[nodiscard]] base::Result<Order> parse_order(std::string_view body, std::string_view request_url);
[[nodiscard]] base::Result<Authorization> parse_authorization(std::string_view body,
                                                              std::string_view request_url);
/// The status of an account (§7.1.2): "valid", "deactivated", "revoked"; empty where the body says nothing.
[[nodiscard]] std::string parse_account_status(std::string_view body);
/// Whatever of a problem document can be read; a body that is none (HTML, nothing) is a problem without type.
[[nodiscard]] Problem parse_problem(std::string_view body, int http_status);

/// §7.3. E-mail addresses become mailto: URLs; what is a URL already is left as it is.
[[nodiscard]] std::string new_account_payload(const std::vector<std::string>& contact, bool agree_tos);
/// §7.4; `profile` (acme-profiles §4) and `replaces` (RFC 9773 §5) are left out where they are empty.
[[nodiscard]] std::string new_order_payload(const std::vector<base::Identifier>& names,
                                            std::string_view profile, std::string_view replaces);
/// §7.4: the request in DER.
[[nodiscard]] std::string finalize_payload(std::string_view request_der);

}  // namespace acme
