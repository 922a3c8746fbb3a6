// SPDX-License-Identifier: Apache-2.0
// A provider's API in memory, as its documentation says it is: fixtures/PROVIDER.json holds the paths, and
// the forms of headers, queries, bodies and answers. What does not fit is refused, and remembered as a
// mistake; for route53 that is also any signature but the one of what has come.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/http.hpp"

namespace fakes {

struct Txt {
    std::string id{};
    std::string name{};   // without a final dot
    std::string value{};  // without quotes
    unsigned ttl = 0;
};

/// A request that is in the fixture.
struct Asked {
    const nlohmann::json& route;
    std::map<std::string, std::string> parts{};  // "{zone}" of the path
    std::map<std::string, std::string> query{};
    nlohmann::json body = nlohmann::json::object();  // a text where it is no JSON

    [[nodiscard]] std::string name() const { return route.at("name"); }
};

/// Whose signatures are right, for the API of AWS.
struct AwsCaller {
    std::string access_key_id = "AKIDEXAMPLE";
    std::string secret_access_key = "not-to-be-seen";
    std::string session_token{};
    std::string region = "us-east-1";
};

class DnsApi final : public base::Transport {
  public:
    explicit DnsApi(std::string provider);

    base::Result<base::HttpResponse> exchange(const base::HttpRequest& request) override;

    /// The next `times` requests of this kind ("GET", or "change" for the others) get this error of the
    /// fixture, or a body of ours.
    void fail(const std::string& kind, const std::string& error, int times = 1);

    [[nodiscard]] const nlohmann::json& fixture() const { return fixture_; }

    [[nodiscard]] std::vector<std::string> values_at(const std::string& name) const;
    void add(const std::string& name, const std::string& value, unsigned ttl);
    void remove(const std::string& name, const std::string& value);
    [[nodiscard]] bool has_zone(const std::string& name) const;

    std::string endpoint{};
    AwsCaller caller{};
    std::vector<std::string> zones{};  // a zone's id is "Z" or the number of its place, counted from 1
    std::vector<std::string> private_zones{};
    std::vector<std::string> pending_zones{};  // ids of zones whose domain is not delegated to the API
    std::vector<Txt> txts{};
    int pending = 1;                         // looks at a change before it is done
    std::function<void()> before_failure{};  // what somebody else does meanwhile
    base::Result<void> broken{};             // every exchange ends like this
    std::string body_instead{};              // of every answer to a GET
    std::map<std::string, std::string> failure_headers{};
    std::vector<std::string> mistakes{};  // requests that the documentation does not know
    std::vector<std::string> log{};       // names of routes
    std::vector<base::HttpRequest> requests{};

  private:
    base::Result<base::HttpResponse> answer(const base::HttpRequest& request);
    base::HttpResponse mistake(const base::HttpRequest& request, const std::string& why);
    [[nodiscard]] base::HttpResponse error(const std::string& key) const;

    std::string provider_;
    nlohmann::json fixture_;
    std::mutex mutex_;
    std::map<std::string, std::pair<std::string, int>> failing_;
    int next_id_ = 1;
};

/// What the API does with a request that is right. A text "404" or "409" names an error of the fixture.
[[nodiscard]] nlohmann::json behave(const std::string& provider, DnsApi& api, const Asked& asked);

}  // namespace fakes
