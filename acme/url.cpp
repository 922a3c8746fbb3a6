// SPDX-License-Identifier: Apache-2.0
#include "acme/url.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "acme/limits.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

constexpr std::string_view kHttps = "https://";

/// A scheme is letters, digits and "+-." up to the first colon (RFC 3986 §3.1).
bool has_scheme(std::string_view reference) {
    const std::size_t colon = reference.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    return std::ranges::all_of(reference.substr(0, colon), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.';
    });
}

base::Failure refused(std::string_view reference, std::string_view why) {
    return base::fail(base::Code::CaProtocol, "the CA names the URL \"" + base::printable(reference, 200) +
                                                  "\", which " + std::string(why));
}

/// "https://host:port" of an absolute https URL.
std::string_view origin_of(std::string_view url) {
    return url.substr(0, std::min(url.size(), url.find_first_of("/?#", kHttps.size())));
}

/// "https://host/a/" of "https://host/a/b?c".
std::string folder_of(std::string_view url) {
    const std::string_view path = url.substr(0, std::min(url.size(), url.find_first_of("?#")));
    const std::size_t slash = path.rfind('/');
    if (slash < kHttps.size()) return std::string(path) + "/";
    return std::string(path.substr(0, slash + 1));
}

std::string join(std::string_view request_url, std::string_view reference) {
    if (reference.starts_with("//")) return "https:" + std::string(reference);
    if (reference.starts_with("/")) return std::string(origin_of(request_url)) + std::string(reference);
    return folder_of(request_url) + std::string(reference);
}

/// Does the parameter part of a link (`;rel="a b";…`) name this relation?
bool names_relation(std::string_view parameters, std::string_view relation) {
    const std::string text = base::lower(parameters);
    const std::size_t start = text.find("rel=");
    if (start == std::string::npos) return false;
    std::string_view value = std::string_view(text).substr(start + 4);
    if (value.starts_with('"')) {
        value.remove_prefix(1);
        value = value.substr(0, value.find('"'));
    } else {
        value = value.substr(0, value.find_first_of(";, \t"));
    }
    while (!value.empty()) {
        const std::size_t end = std::min(value.find(' '), value.size());
        if (value.substr(0, end) == relation) return true;
        value.remove_prefix(std::min(end + 1, value.size()));
    }
    return false;
}

}  // namespace

base::Result<std::string> resolve_url(std::string_view request_url, std::string_view reference) {
    if (reference.empty()) return refused(reference, "is empty");
    if (reference.size() > kUrlBytesMax) return refused(reference, "is too long");
    const bool clean = std::ranges::all_of(reference, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    if (!clean) return refused(reference, "contains white space, control or non-ASCII characters");
    std::string url(reference);
    if (!has_scheme(reference)) {
        url = join(request_url, reference);
    } else if (base::lower(reference.substr(0, kHttps.size())) != kHttps) {
        return refused(reference, "is not https; ACME is spoken over https only (RFC 8555 §6.1)");
    } else {
        url.replace(0, kHttps.size(), kHttps);
    }
    if (origin_of(url).size() == kHttps.size()) return refused(reference, "names no host");
    return url;
}

std::vector<std::string> find_links(const base::HttpResponse& response, std::string_view relation,
                                    std::size_t count_max) {
    std::vector<std::string> found;
    for (std::string_view rest : response.all("link")) {
        // One header may hold several links: <target>; parameters, <target>; parameters
        while (found.size() < count_max) {
            const std::size_t open = rest.find('<');
            const std::size_t close = rest.find('>', open == std::string_view::npos ? rest.size() : open);
            if (close == std::string_view::npos) break;
            const std::string_view target = rest.substr(open + 1, close - open - 1);
            rest.remove_prefix(close + 1);
            const std::string_view parameters = rest.substr(0, std::min(rest.find('<'), rest.size()));
            if (names_relation(parameters, relation)) found.emplace_back(target);
        }
    }
    return found;
}

std::string find_link(const base::HttpResponse& response, std::string_view relation) {
    const std::vector<std::string> found = find_links(response, relation, 1);
    return found.empty() ? std::string{} : found.front();
}

}  // namespace acme
