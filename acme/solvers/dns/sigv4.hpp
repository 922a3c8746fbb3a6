// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4, for the Authorization header. Pure.
//
// libcurl could sign (CURLOPT_AWS_SIGV4), but the one of Debian 12 does not sort the parameters of a query
// before it signs them (curl#9717), it takes the time from the system instead of from our clock, and no
// version of it can be held against AWS' own test vectors.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace acme {

struct AwsKeys {
    std::string access_key_id{};
    base::Secret secret_access_key{};
    base::Secret session_token{};  // empty: these are no temporary credentials
};

struct AwsRequest {
    std::string method = "GET";
    std::string host{};   // with its port, where it has one
    std::string path{};   // already escaped, begins with a slash
    std::string query{};  // already escaped, without the question mark
    /// Headers to be signed beside host, x-amz-date and x-amz-security-token.
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string body{};
};

struct AwsScope {
    std::string_view region{};   // "us-east-1"
    std::string_view service{};  // "route53"
};

/// The headers to add: X-Amz-Date, X-Amz-Security-Token (if there is one) and Authorization.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> sign_aws(const AwsRequest& request,
                                                                        const AwsKeys& keys,
                                                                        const AwsScope& scope,
                                                                        base::Instant now);

}  // namespace acme
