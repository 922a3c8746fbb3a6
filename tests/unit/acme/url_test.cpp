// SPDX-License-Identifier: Apache-2.0
#include "acme/url.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

TEST_CASE("url: absolute, or relative to what was asked") {
    struct Case {
        std::string_view request;
        std::string_view reference;
        std::string_view want;
    };

    for (const Case& c : {
             Case{"https://ca.test/dir", "https://other.test/x?y=1", "https://other.test/x?y=1"},
             Case{"https://ca.test/dir", "HTTPS://ca.test/x", "https://ca.test/x"},
             Case{"https://ca.test:14000/a/b?c/d", "/order/1", "https://ca.test:14000/order/1"},
             Case{"https://ca.test/a/b?c/d", "e", "https://ca.test/a/e"},
             Case{"https://ca.test", "e", "https://ca.test/e"},
             Case{"https://ca.test/a", "//cdn.test/x", "https://cdn.test/x"},
             Case{"https://ca.test/a", "/x:y", "https://ca.test/x:y"},
         }) {
        CAPTURE(c.reference);
        CHECK(acme::resolve_url(c.request, c.reference) == std::string(c.want));
    }
}

TEST_CASE("url: what is not https, or no URL, is refused") {
    for (const std::string& bad :
         {std::string(), std::string("http://ca.test/x"), std::string("file:///etc/passwd"),
          std::string("https://"), std::string("https:///x"), std::string("ftp://ca.test"),
          std::string("javascript:alert(1)"), std::string("https://ca.test/a b"), std::string("/a\r\nX: y"),
          std::string("/a\0b", 4), std::string("/\x1b[31m"), std::string("/\xc3\xb6"),
          "https://ca.test/" + std::string(2100, 'a')}) {
        CAPTURE(bad);
        CHECK(fakes::code_of(acme::resolve_url("https://ca.test/dir", bad)) == "ca/protocol");
    }
}

TEST_CASE("url: links by relation, several to a header, several headers") {
    const base::HttpResponse response{
        .headers = {{"link",
                     "<https://ca.test/dir>;rel=\"index\", <https://ca.test/tos>; title=\"x\"; rel=\"a "
                     "terms-of-service\""},
                    {"link", "<https://ca.test/up>;REL=up"},
                    {"link", "<broken"}}};
    CHECK(acme::find_link(response, "terms-of-service") == "https://ca.test/tos");
    CHECK(acme::find_link(response, "index") == "https://ca.test/dir");
    CHECK(acme::find_link(response, "up") == "https://ca.test/up");
    CHECK(acme::find_link(response, "alternate").empty());
    CHECK(acme::find_link(base::HttpResponse{}, "up").empty());
}
