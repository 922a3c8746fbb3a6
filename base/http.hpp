// SPDX-License-Identifier: Apache-2.0
// HTTP as values. One libcurl multi handle for everybody: requests to one origin share one HTTP/2 connection,
// callers block on their own exchange only.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace base {

/// What holds for all requests to one origin; part of each request, because connections may only be shared
/// among requests that trust the same anchors.
struct HttpTrust {
    std::string roots_file{};  // PEM anchors; empty: the system's
    std::string proxy{};       // empty: none (the environment's proxies are never taken)
    bool https_only = true;
    friend bool operator==(const HttpTrust&, const HttpTrust&) = default;
};

struct HttpRequest {
    std::string method = "GET";  // GET, HEAD, POST, PUT, PATCH or DELETE
    std::string url{};
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string body{};
    HttpTrust trust{};
    std::string address{};             // connect there instead of where the URL's host leads; empty: resolve
    std::size_t body_max = 1'048'576;  // bytes (1 MiB); a longer answer is net/too-large
    Milliseconds connect_deadline{10'000};
    Milliseconds deadline{60'000};  // for the whole exchange
    int redirects_max = 0;          // of GET and HEAD only: a JWS binds its URL (RFC 8555 §6.4)
};

struct HttpResponse {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers{};  // in order, names in lower case
    std::string body{};
    /// The request went out twice: the connection of the first ended without an answer, and the peer may have
    /// acted on it. curl does so by itself where that connection had been used before.
    bool was_sent_again = false;

    /// The first header of this (lower-case) name; nothing if there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const;
    /// All values of this (lower-case) name.
    [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
};

/// One HTTP exchange; the seam at which tests stand in for the network. Thread safe.
class Transport {
  public:
    virtual ~Transport() = default;
    /// Blocks up to request.deadline. Any HTTP status is a response; errors are net/unreachable, net/timeout,
    /// net/untrusted (TLS), net/refused-scheme, net/too-large.
    virtual Result<HttpResponse> exchange(const HttpRequest& request) = 0;
    /// Several at once; blocks until the last one has ended. The answers are in the order of the requests.
    virtual std::vector<Result<HttpResponse>> exchange_all(std::span<const HttpRequest> requests);
};

class CurlTransport final : public Transport {
  public:
    /// `user_agent` goes with every request (RFC 8555 §6.1).
    explicit CurlTransport(std::string user_agent);
    /// Exchanges that are still under way end as net/unreachable.
    ~CurlTransport() override;
    CurlTransport(const CurlTransport&) = delete;
    CurlTransport& operator=(const CurlTransport&) = delete;
    Result<HttpResponse> exchange(const HttpRequest& request) override;
    std::vector<Result<HttpResponse>> exchange_all(std::span<const HttpRequest> requests) override;

  private:
    struct Driver;
    std::unique_ptr<Driver> driver_;
};

}  // namespace base
