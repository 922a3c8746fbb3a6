// SPDX-License-Identifier: Apache-2.0
#include "base/http_exchange.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include <openssl/x509_vfy.h>

#include "base/clock.hpp"
#include "base/encoding.hpp"
#include "base/system_anchors.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr std::string_view kBlank = " \t\r\n";

constexpr std::size_t kHeadersMax = 65536;  // bytes, of all responses of an exchange together
constexpr long kSlowest = 10;               // bytes per second …
constexpr long kSlowFor = 30;               // … for so many seconds: the peer only keeps us waiting
constexpr long kUploadBuffer = 16'384;  // bytes; curl's least, of 64 KiB for every request that is under way
constexpr long kAnchorsCached = 60;     // seconds; curl's own day would outlive an edited `roots` file

/// One part of an URL; empty if it is not there.
std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
    const std::unique_ptr<char, Deleter<curl_free>> owned(text);
    return text;
}

/// RFC 9110 §5.6.2: what a field name is made of.
bool is_token(std::string_view text) {
    constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [kOthers](char character) {
        return std::isalnum(static_cast<unsigned char>(character)) != 0 ||
               kOthers.find(character) != std::string_view::npos;
    });
}

/// A line break in a value of ours would be a header of somebody else's.
bool is_field_value(std::string_view text) {
    return text.find_first_of({"\r\n\0", 3}) == std::string_view::npos;
}

/// curl and errno write sentences; in the middle of ours they begin with a small letter.
std::string continued(std::string text) {
    const bool acronym = text.size() > 1 && std::isupper(static_cast<unsigned char>(text[1])) != 0;
    if (!text.empty() && !acronym) text[0] = lower(text.substr(0, 1))[0];
    return text;
}

/// A handshake that broke off, rather than one that came to a bad end: the peer may just be restarting.
bool is_broken_handshake(std::string_view words) {
    constexpr std::array<std::string_view, 4> kSigns{"SSL_ERROR_SYSCALL", "reset by peer", "unexpected eof",
                                                     "Broken pipe"};
    return std::ranges::any_of(
        kSigns, [words](std::string_view sign) { return words.find(sign) != std::string_view::npos; });
}

}  // namespace

Result<Origin> parse_origin(const std::string& url) {
    const std::unique_ptr<CURLU, Deleter<curl_url_cleanup>> parsed(curl_url());
    const CURLUcode outcome =
        curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME);
    if (outcome != CURLUE_OK) {
        return fail(Code::NetRefusedScheme,
                    "\"" + printable(url, 200) + "\" is no URL: " + continued(curl_url_strerror(outcome)));
    }
    Origin origin{.scheme = lower(part(parsed.get(), CURLUPART_SCHEME)),
                  .host = part(parsed.get(), CURLUPART_HOST),
                  .port = part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT)};
    for (const CURLUPart hidden : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
        curl_url_set(parsed.get(), hidden, nullptr, 0);
    }
    origin.shown = printable(part(parsed.get(), CURLUPART_URL), 300);
    return origin;
}

Result<void> HttpExchange::prepare(const std::string& user_agent) {
    TRY(check_request());
    easy_.reset(curl_easy_init());
    if (!easy_) return fail(Code::InternalUnexpected, origin_.shown + ": curl could not be set up");
    TRY(set_headers());
    set_options(user_agent);
    set_address();
    set_trust();
    set_method();
    return {};
}

Result<void> HttpExchange::check_request() {
    origin_ = TRY(parse_origin(request_.url));
    const bool plain = origin_.scheme == "http" && !request_.trust.https_only;
    if (origin_.scheme != "https" && !plain) {
        return fail(Code::NetRefusedScheme, origin_.shown + ": refused, only https is spoken here");
    }
    const std::array<std::string_view, 6> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    if (std::ranges::find(methods, request_.method) == methods.end()) {
        return fail(Code::InternalUnexpected,
                    origin_.shown + ": " + request_.method + " is no method we send");
    }
    // To curl, a timeout of zero means none.
    if (request_.deadline <= Milliseconds(0)) {
        return fail(Code::NetTimeout, origin_.shown + ": no time was left to ask");
    }
    return {};
}

Result<void> HttpExchange::set_headers() {
    const auto append = [this](const std::string& line) {
        curl_slist* list = curl_slist_append(headers_.get(), line.c_str());
        if (!headers_) headers_.reset(list);  // later ones hang on to the first
    };
    bool has_content_type = false;
    for (const auto& [name, value] : request_.headers) {
        if (!is_token(name) || !is_field_value(value)) {
            return fail(Code::InternalUnexpected, origin_.shown + ": header \"" + printable(name, 60) +
                                                      "\" of the request is malformed");
        }
        has_content_type = has_content_type || lower(name) == "content-type";
        append(std::string(name)
                   .append(value.empty() ? ";" : ": ")
                   .append(value));  // to curl, "a;" is an empty a
    }
    append("Expect:");                               // curl would wait for a 100 that few servers send
    if (!has_content_type) append("Content-Type:");  // curl would claim that a body is a web form
    return {};
}

void HttpExchange::set_options(const std::string& user_agent) {
    CURL* easy = handle();
    const long connect = std::max<long>(1, static_cast<long>(request_.connect_deadline.count()));
    curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_.data());
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2TLS});
    // Rather wait for a connection that can be shared than open another one.
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.deadline.count()));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, kSlowest);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, kSlowFor);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
}

void HttpExchange::set_address() {
    if (request_.address.empty()) return;
    const bool is_v6 = request_.address.find(':') != std::string::npos;
    // An empty host and port: whichever the URL names. A redirect elsewhere ends at this address, too.
    const std::string rule = "::" + (is_v6 ? "[" + request_.address + "]" : request_.address) + ":";
    connect_to_.reset(curl_slist_append(nullptr, rule.c_str()));
    curl_easy_setopt(handle(), CURLOPT_CONNECT_TO, connect_to_.get());
}

void HttpExchange::set_trust() {
    CURL* easy = handle();
    const HttpTrust& trust = request_.trust;
    const char* protocols = trust.https_only ? "https" : "http,https";
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    // Empty, not unset: else curl looks into the environment.
    curl_easy_setopt(easy, CURLOPT_PROXY, trust.proxy.c_str());
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    if (!trust.roots_file.empty()) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, trust.roots_file.c_str());
        curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, kAnchorsCached);
    } else if (const std::string& directory = anchors_by_hash(); !directory.empty()) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
        curl_easy_setopt(easy, CURLOPT_CAPATH, directory.c_str());
    }
}

void HttpExchange::set_method() {
    CURL* easy = handle();
    const bool has_body = request_.method != "GET" && request_.method != "HEAD";
    if (has_body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, &HttpExchange::on_send);
        curl_easy_setopt(easy, CURLOPT_READDATA, this);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &HttpExchange::on_rewind);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBuffer);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
        return;
    }
    if (request_.method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request_.redirects_max > 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(request_.redirects_max));
}

std::size_t HttpExchange::on_send(char* room, std::size_t size, std::size_t count, void* self) {
    return static_cast<HttpExchange*>(self)->give_body({room, size * count});
}

/// Called only where the body is to be sent once more.
int HttpExchange::on_rewind(void* self, curl_off_t offset, int origin) {
    auto* exchange = static_cast<HttpExchange*>(self);
    if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_FAIL;
    exchange->sent_ = 0;
    exchange->was_sent_again_ = true;
    return CURL_SEEKFUNC_OK;
}

std::size_t HttpExchange::on_header(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<HttpExchange*>(self)->take_header({data, size * count}) ? size * count : 0;
}

std::size_t HttpExchange::on_body(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<HttpExchange*>(self)->take_body({data, size * count}) ? size * count : 0;
}

std::size_t HttpExchange::give_body(std::span<char> room) {
    const std::size_t taken = request_.body.copy(room.data(), room.size(), sent_);
    sent_ += taken;
    return taken;
}

bool HttpExchange::take_header(std::string_view line) {
    header_bytes_ += line.size();
    if (header_bytes_ > kHeadersMax) {
        excess_ = Excess::Headers;
        return false;
    }
    if (!in_headers_ && line.starts_with("HTTP/")) {
        // Another response: after a redirect, or after a 1xx. Only the last one counts.
        response_ = HttpResponse{};
        in_headers_ = true;
        return true;
    }
    if (trimmed(line, kBlank).empty()) in_headers_ = false;
    const std::size_t colon = line.find(':');
    if (!in_headers_ || colon == std::string_view::npos || !is_token(line.substr(0, colon))) return true;
    response_.headers.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1), kBlank));
    return true;
}

bool HttpExchange::take_body(std::string_view bytes) {
    if (bytes.size() > request_.body_max - std::min(request_.body_max, response_.body.size())) {
        excess_ = Excess::Body;
        return false;
    }
    response_.body += bytes;
    return true;
}

Result<HttpResponse> HttpExchange::finish(CURLcode outcome) {
    if (outcome != CURLE_OK) return explain(outcome);
    long status = 0;
    curl_easy_getinfo(handle(), CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    response_.was_sent_again = was_sent_again_;
    return std::move(response_);
}

Failure HttpExchange::abandoned() const {
    return fail(Code::NetUnreachable, origin_.shown + ": not answered, because renewd is shutting down");
}

/// errno's words where the connection itself was refused; else what curl has to say.
std::string HttpExchange::words(CURLcode outcome) const {
    long number = 0;
    curl_easy_getinfo(handle(), CURLINFO_OS_ERRNO, &number);
    if (outcome == CURLE_COULDNT_CONNECT && number != 0)
        return continued(errno_text(static_cast<int>(number)));
    return continued(printable(error_[0] != '\0' ? error_.data() : curl_easy_strerror(outcome), 300));
}

/// A certificate that has run out, or is of the future, may be good by every clock but ours.
std::string HttpExchange::trust_hint() const {
    long verified = X509_V_OK;
    curl_easy_getinfo(handle(), CURLINFO_SSL_VERIFYRESULT, &verified);
    const bool has_expired = verified == X509_V_ERR_CERT_HAS_EXPIRED;
    if (has_expired || verified == X509_V_ERR_CERT_NOT_YET_VALID) {
        return "this machine's clock shows " + format_instant(SystemClock().now()) +
               ": if that is wrong, set it (timedatectl); if it is right, " +
               (has_expired ? "a certificate there, or in `roots`, has to be renewed"
                            : "a certificate there, or in `roots`, is not good yet");
    }
    return request_.trust.roots_file.empty()
               ? "if its certificate comes from a private CA, name that CA's roots with `roots`"
               : "the anchors come from `roots`: " + request_.trust.roots_file;
}

Failure HttpExchange::explain(CURLcode outcome) const {
    const std::string where = origin_.shown + ": ";
    if (excess_ == Excess::Headers) {
        return fail(Code::NetTooLarge, where + "the answer's headers are longer than 64 KiB");
    }
    if (excess_ == Excess::Body) {
        return fail(Code::NetTooLarge,
                    where + "the answer is longer than " + std::to_string(request_.body_max) + " bytes");
    }
    const std::string cause = words(outcome);
    const std::string through = request_.trust.proxy.empty() ? "" : " through the proxy";
    const std::string peer = origin_.host + " port " + origin_.port + through;
    switch (outcome) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_CONNECT:
            return fail(Code::NetUnreachable, where + peer + " could not be reached: " + cause);
        case CURLE_OPERATION_TIMEDOUT:
            return fail(Code::NetTimeout, where + peer + " did not answer in time: " + cause);
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_URL_MALFORMAT:
            if (response_.header("location").empty()) break;  // an answer that is no HTTP is told so, too
            return fail(Code::NetRefusedScheme, where + "leads to something else than https: " + cause);
        case CURLE_SSL_CONNECT_ERROR:
            if (is_broken_handshake(cause)) break;
            return fail(Code::NetUntrusted, where + "no TLS with " + peer + ": " + cause);
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_INVALIDCERTSTATUS:
            return fail(Code::NetUntrusted, where + peer + " is not trusted: " + cause, trust_hint());
        default:
            break;
    }
    return fail(Code::NetUnreachable, where + "the exchange with " + peer + " broke off: " + cause);
}

}  // namespace base
