// SPDX-License-Identifier: Apache-2.0
// The APIs in memory take what the providers send, and none of it once it is changed: so their documentation
// is what the providers are held against.
#include "tests/unit/acme/dns/cloud_world.hpp"

using fakes::CloudWorld;
using fakes::contains;
using fakes::message_of;
using fakes::txt;

namespace {

using Requests = std::vector<base::HttpRequest>;

/// All that a provider says: it looks for its zone page by page, writes beside a foreign value, and alone.
Requests conversation(const std::string& name, CloudWorld& world) {
    const std::string value = fakes::long_value("one");
    REQUIRE(message_of(world.provider->present(txt(name, value, ""))) == "");
    REQUIRE(message_of(world.provider->clean_up(txt(name, value))) == "");
    world.api.add("_acme-challenge.a.example.com", "foreign", 3600);
    REQUIRE(message_of(world.provider->present(txt(name, value))) == "");
    REQUIRE(message_of(world.provider->clean_up(txt(name, value))) == "");
    REQUIRE(world.api.mistakes.empty());
    return world.api.requests;
}

/// What the API has against it; empty if nothing.
std::string objection(CloudWorld& world, const base::HttpRequest& request) {
    world.api.mistakes.clear();
    REQUIRE(world.api.exchange(request));
    return world.api.mistakes.empty() ? "" : world.api.mistakes.front();
}

/// True where there was something to replace, in any part of the request.
bool replace(base::HttpRequest& request, const std::string& what, const std::string& by) {
    std::vector<std::string*> texts{&request.method, &request.url, &request.body};
    for (auto& [name, value] : request.headers) texts.push_back(&value);
    for (std::string* text : texts) {
        const std::size_t at = text->find(what);
        if (at == std::string::npos) continue;
        text->replace(at, what.size(), by);
        return true;
    }
    return false;
}

}  // namespace

TEST_CASE("fake api: headers, parameters and bodies that the documentation does not know are refused") {
    for (const std::string name :
         {"cloudflare", "route53", "digitalocean", "hetzner", "gandi", "powerdns", "acme-dns"}) {
        CAPTURE(name);
        CloudWorld world(name);
        for (const base::HttpRequest& right : conversation(name, world)) {
            CAPTURE(right.method + " " + right.url);
            base::HttpRequest request = right;
            request.headers.emplace_back("X-Other", "x");
            CHECK(contains(objection(world, request), "headers: X-Other is unknown"));
            for (std::size_t i = 0; i < right.headers.size(); ++i) {
                CAPTURE(right.headers[i].first);
                request = right;
                request.headers[i].second += "x";
                CHECK(objection(world, request) != "");
                request = right;
                request.headers.push_back(right.headers[i]);
                CHECK(contains(objection(world, request), "headers: twice"));
                request.headers = right.headers;
                request.headers.erase(request.headers.begin() + static_cast<std::ptrdiff_t>(i));
                CHECK(objection(world, request) != "");
            }
            request = right;
            request.url += contains(right.url, "?") ? "&other=x" : "?other=x";
            const std::string said = objection(world, request);
            CHECK(contains(said, "query: "));
            CHECK(contains(said, "other is unknown"));
            request = right;
            request.body = right.body.empty() ? "{}" : "";
            CHECK(objection(world, request) != "");
            request = right;
            request.method = "TRACE";
            CHECK(contains(objection(world, request), "no such path"));
        }
    }
}

TEST_CASE("fake api: values other than the documented ones are refused, and so are other signatures") {
    struct Edit {
        std::string provider;
        std::string what;
        std::string by;
        std::string part;
        std::string why;
    };

    const std::string one = fakes::long_value("one");
    for (const Edit& edit : {
             Edit{"cloudflare", "type=TXT", "type=A", "query: ", "type"},
             Edit{"cloudflare", "per_page=50", "per_page=51", "query: ", "per_page"},
             Edit{"cloudflare", R"("type":"TXT")", R"("type":"A")", "body: ", "type"},
             Edit{"cloudflare", R"("ttl":60)", R"("ttl":59)", "body: ", "ttl"},
             Edit{"cloudflare", R"("ttl":60)", R"("ttl":"60")", "body: ", "ttl"},
             Edit{"cloudflare", R"("ttl":60)", R"("ttl":60,"proxied":true)", "body: ", "proxied is unknown"},
             Edit{"cloudflare", R"(\")" + one + R"(\")", one, "body: ", "content"},
             Edit{"digitalocean", "type=TXT", "type=CNAME", "query: ", "type"},
             Edit{"digitalocean", "per_page=200", "per_page=201", "query: ", "per_page"},
             Edit{"digitalocean", R"("type":"TXT")", R"("type":"txt")", "body: ", "type"},
             Edit{"digitalocean", R"("ttl":60)", R"("ttl":29)", "body: ", "ttl"},
             Edit{"hetzner", "per_page=50", "per_page=51", "query: ", "per_page"},
             Edit{"hetzner", R"("ttl":60)", R"("ttl":59)", "body: ", "ttl"},
             Edit{"hetzner", R"({"value":)", R"({"comment":"","value":)", "body: ", "records: comment"},
             Edit{"hetzner", "/add_records", "/set_records", "no such path", ""},
             Edit{"gandi", R"("rrset_ttl":300)", R"("rrset_ttl":299)", "body: ", "rrset_ttl"},
             Edit{"gandi", R"(\")" + one + R"(\")", one, "body: ", "rrset_values"},
             Edit{"powerdns", "rrset_type=TXT", "rrset_type=ANY", "query: ", "rrset_type"},
             Edit{"powerdns", "rrset_name=_acme-challenge.a.example.com.", "rrset_name=a",
                  "query: ", "rrset_name"},
             Edit{"powerdns", "REPLACE", "EXTEND", "body: ", "rrsets: changetype"},
             Edit{"powerdns", R"("type":"TXT")", R"("type":"SPF")", "body: ", "type: \"SPF\" is not TXT"},
             Edit{"powerdns", R"("disabled":false)", R"("disabled":0)",
                  "body: ", "disabled: 0 is not boolean"},
             Edit{"powerdns", R"("changetype":"DELETE")", R"("changetype":"DELETE","ttl":1)",
                  "body: ", "rrsets"},
             Edit{"acme-dns", one, "too short", "body: ", "txt"},
             Edit{"route53", "maxitems=100", "maxitems=101", "query: ", "maxitems"},
             Edit{"route53", "type=TXT", "type=A", "query: ", "type"},
             Edit{"route53", "CREATE", "REPLACE", "body: ", ""},
             Edit{"route53", "<Type>TXT<", "<Type>A<", "body: ", ""},
             Edit{"route53", "ChangeResourceRecordSetsRequest xmlns", "ChangeRequest xmlns", "body: ", ""},
             Edit{"route53", "/doc/2013-04-01/", "/doc/2012-12-12/", "body: ", ""},
             Edit{"route53", "&quot;" + one + "&quot;", one, "body: ", ""},
             Edit{"route53", "<TTL>60<", "<TTL>61<", "signature: ", ""},
             Edit{"route53", "/Z121/", "/Z1/", "signature: ", ""},
             Edit{"route53", "name=_acme-challenge", "name=_acme", "signature: ", ""},
             Edit{"route53", "T120000Z", "T120001Z", "signature: ", ""},
             Edit{"route53", "SignedHeaders=host;", "SignedHeaders=", "signature: ", ""},
             Edit{"route53", "/us-east-1/", "/eu-west-1/", "signature: ", ""},
         }) {
        CAPTURE(edit.provider);
        CAPTURE(edit.what);
        CloudWorld world(edit.provider);
        const Requests right = conversation(edit.provider, world);
        std::size_t changed = 0;
        for (base::HttpRequest request : right) {
            if (!replace(request, edit.what, edit.by)) continue;
            ++changed;
            const std::string said = objection(world, request);
            CAPTURE(said);
            CHECK(contains(said, edit.part));
            CHECK(contains(said, edit.why));
        }
        CHECK(changed > 0);
    }
}
