// SPDX-License-Identifier: Apache-2.0
// A CA in memory. It checks what RFC 8555 lets a CA check (nonces, signed URLs, {} bodies, what is presented)
// and can be told to misbehave at any request.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/http.hpp"
#include "tests/unit/acme/fake_accounts.hpp"
#include "tests/unit/base/test_ca.hpp"

namespace fakes {

inline const std::string kOrigin = "https://ca.test";

[[nodiscard]] base::HttpResponse reply(int status, std::string body = {});
[[nodiscard]] base::HttpResponse problem(int status, const std::string& type, const std::string& detail = {});
/// An exchange whose answer never came.
[[nodiscard]] base::Failure lost();
/// A JSON object with one member changed (or removed, where `value` is empty); `value` is JSON.
[[nodiscard]] std::string with_member(const std::string& object, const std::string& member,
                                      const std::string& value);

/// Every request is logged as "POST /order/1". Thread safe, once it is set up.
class Ca final : public base::Transport {
  public:
    using Answer = base::Result<base::HttpResponse>;
    /// May answer instead of the CA. `count`: how often `path` has been asked for, from 1.
    using Before = std::function<std::optional<Answer>(const std::string& path, int count)>;
    /// May change the answer, or lose it, when the deed is done.
    using After = std::function<Answer(const std::string& path, int count, base::HttpResponse answer)>;
    using Names = std::vector<base::Identifier>;

    Before before{};
    After after{};
    Accounts accounts{};
    std::string meta = "{}";                        // of the directory
    std::string renewal_info{};                     // of the directory; empty: it has none
    bool gives_nonces = true;                       // with every answer
    bool reuses_orders = false;                     // one that is open is given again for the same names
    int finalize_looks = 1;                         // looks until a finalized order is valid
    int validation_looks = 0;                       // looks until answered challenges are judged
    std::set<std::string> reused{};                 // names whose authorization is valid from the start
    std::map<std::string, std::string> refusing{};  // name -> detail of its failed challenge
    std::vector<std::string> tokens{};              // for the authorizations, in turn; then made up
    std::vector<std::string> issuer_domains{};      // not empty: it offers dns-persist-01 instead of http-01
    std::string forced_status{};                    // of every order, whatever has happened
    /// What the CA fetches for a token; valid without a look where there is none.
    std::function<std::string(const std::string& token)> fetch{};
    /// PEM for a key and names: leaf and intermediate, unless said otherwise.
    std::function<std::string(EVP_PKEY*, const Names&)> make_chain{};

    test_ca::Authority root = test_ca::make_root("Fake Root");
    test_ca::Authority intermediate = test_ca::make_intermediate(root, "Fake Intermediate");

    Ca();
    ~Ca() override;
    Answer exchange(const base::HttpRequest& request) override;
    std::vector<Answer> exchange_all(std::span<const base::HttpRequest> requests) override;

    [[nodiscard]] std::vector<std::string> log() const;
    void clear_log();
    [[nodiscard]] int count(const std::string& path) const;
    /// Requests that had to wait for one another: those that were sent together count once.
    [[nodiscard]] int round_trips() const;
    /// The JSON that was last sent there.
    [[nodiscard]] std::string payload(const std::string& path) const;
    [[nodiscard]] int issued() const;

  private:
    Answer answer_one(const base::HttpRequest& request);
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace fakes
