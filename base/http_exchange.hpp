// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange on one curl easy handle: the options it runs with, the bounds on what it takes in, and
// the words for what went wrong. Knows nothing of threads; http.cpp drives it.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <curl/curl.h>

#include "base/http.hpp"
#include "base/openssl.hpp"

namespace base {

/// What an URL says about where it leads, for checks and messages.
struct Origin {
    std::string scheme{};
    std::string host{};
    std::string port{};
    /// The URL without user, password, query and fragment: those may hold what no log should.
    std::string shown{};
};

/// net/refused-scheme for what is no absolute URL.
[[nodiscard]] Result<Origin> parse_origin(const std::string& url);

/// `request` must outlive the exchange's use of the network.
class HttpExchange {
  public:
    explicit HttpExchange(const HttpRequest& request) : request_(request) {}

    HttpExchange(const HttpExchange&) = delete;
    HttpExchange& operator=(const HttpExchange&) = delete;
    ~HttpExchange() = default;

    /// Checks the request and sets up the handle; nothing is sent yet.
    [[nodiscard]] Result<void> prepare(const std::string& user_agent);

    [[nodiscard]] CURL* handle() const { return easy_.get(); }

    /// The response, or the words for how the transfer ended. Once, after the handle has left its multi
    /// handle.
    [[nodiscard]] Result<HttpResponse> finish(CURLcode outcome);
    /// The transport goes while this is under way.
    [[nodiscard]] Failure abandoned() const;

  private:
    enum class Excess { None, Headers, Body };

    [[nodiscard]] Result<void> check_request();
    [[nodiscard]] Result<void> set_headers();
    void set_options(const std::string& user_agent);
    void set_address();
    void set_trust();
    void set_method();
    [[nodiscard]] std::string trust_hint() const;
    [[nodiscard]] Failure explain(CURLcode outcome) const;
    [[nodiscard]] std::string words(CURLcode outcome) const;

    static std::size_t on_send(char* room, std::size_t size, std::size_t count, void* self);
    static int on_rewind(void* self, curl_off_t offset, int origin);
    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
    [[nodiscard]] std::size_t give_body(std::span<char> room);
    [[nodiscard]] bool take_header(std::string_view line);
    [[nodiscard]] bool take_body(std::string_view bytes);

    const HttpRequest& request_;
    Origin origin_;
    std::unique_ptr<CURL, Deleter<curl_easy_cleanup>> easy_;
    std::unique_ptr<curl_slist, Deleter<curl_slist_free_all>> headers_;
    std::unique_ptr<curl_slist, Deleter<curl_slist_free_all>> connect_to_;
    std::array<char, CURL_ERROR_SIZE> error_{};
    HttpResponse response_;
    std::size_t sent_ = 0;  // bytes of the body
    bool was_sent_again_ = false;
    std::size_t header_bytes_ = 0;
    bool in_headers_ = false;  // between a status line and the blank line: what comes later is a trailer
    Excess excess_ = Excess::None;
};

}  // namespace base
