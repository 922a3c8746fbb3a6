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
/// An account (§7.1.2): what can be read of it. Of a body that says nothing, nothing.
[[nodiscard]] AccountView parse_account(std::string_view body);
/// One page of an account's list of orders (§7.1.2.1): the URLs at its two ends, as many as are looked at,
/// with their order kept.
[[nodiscard]] std::vector<std::string> parse_orders(std::string_view body, std::string_view request_url);
/// Whatever of a problem document can be read; a body that is none (HTML, nothing) is a problem without type.
[[nodiscard]] Problem parse_problem(std::string_view body, int http_status);

/// E-mail addresses as mailto: URLs (RFC 6068); what is a URL already is left as it is.
[[nodiscard]] std::vector<std::string> contact_urls(const std::vector<std::string>& contact);
/// §7.3; `binding` is the JWS of §7.3.4, or empty.
[[nodiscard]] std::string new_account_payload(const std::vector<std::string>& contact, bool agree_tos,
                                              std::string_view binding = {});
/// §7.3.1: never makes one.
[[nodiscard]] std::string find_account_payload();
/// §7.3.2
[[nodiscard]] std::string contact_payload(const std::vector<std::string>& contact);
/// §7.3.5: what the new key signs; `old_jwk` is the old public key.
[[nodiscard]] std::string key_change_payload(std::string_view account_url, std::string_view old_jwk);
/// §7.6: the certificate in DER; reason 0 is the same as none, and left out (RFC 5280 §5.3.1).
[[nodiscard]] std::string revocation_payload(std::string_view der, int reason);
/// §7.4; `profile` (acme-profiles §4) and `replaces` (RFC 9773 §5) are left out where they are empty.
[[nodiscard]] std::string new_order_payload(const std::vector<base::Identifier>& names,
                                            std::string_view profile, std::string_view replaces);
/// §7.4: the request in DER.
[[nodiscard]] std::string finalize_payload(std::string_view request_der);

}  // namespace acme
