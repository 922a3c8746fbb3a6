// SPDX-License-Identifier: Apache-2.0
// acme-dns, a name server for challenges alone: each name has an account there, and a CNAME that leads to it.
// An account holds the two latest values and has no way to remove one.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include <nlohmann/json.hpp>

#include "acme/solvers/dns/api.hpp"
#include "acme/solvers/dns/api_zone.hpp"
#include "acme/solvers/dns/cloud_providers.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;
using nlohmann::json;

constexpr std::string_view kRights =
    "username and password of the account in `storage` have to be those the server gave out for it, and its "
    "`allowfrom` has to take in this machine";
constexpr std::size_t kStorageMax = 1'048'576;

struct Account {
    std::string fulldomain{};
    std::string subdomain{};
    std::string username{};
    base::Secret password{};
};

/// Who is asking is another for each account: update() says it.
Result<Headers> nobody(const base::HttpRequest& /*request*/) {
    return Headers{};
}

/// "example.com" for the apex and for its wildcard: both are proved at one name.
std::string domain_of(const TxtRecord& record) {
    const std::string& name = record.task.identifier.value;
    return name.starts_with("*.") ? name.substr(2) : name;
}

class AcmeDns final : public DnsProvider {
  public:
    AcmeDns(Api api, std::string storage) : api_(std::move(api)), storage_(std::move(storage)) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        const Account account = TRY(find_account(record));
        const NameLock lock(record.name);
        // The second to come pushes out the oldest: to say the same value again would cost the other one.
        if (holds(account.subdomain, record.value)) return base::Seconds{0};
        TRY(update(account, record));
        remember(account.subdomain, record.value);
        return base::Seconds{0};
    }

    Result<void> clean_up(const TxtRecord& record) override {
        const Account account = TRY(find_account(record));
        const std::scoped_lock lock(mutex_);
        std::erase(held_[account.subdomain], record.value);
        return {};
    }

  private:
    [[nodiscard]] Result<Account> find_account(const TxtRecord& record) const {
        const std::string domain = domain_of(record);
        const json accounts = TRY(read_storage());
        const auto found = accounts.find(domain);
        if (found == accounts.end()) {
            return api_.fail(Code::ProviderNoZone, storage_ + " has no account for " + domain,
                             "register one at the server and add it there under \"" + domain + "\"");
        }
        Account account{.fulldomain = bare_name(text_of(*found, "fulldomain")),
                        .subdomain = text_of(*found, "subdomain"),
                        .username = text_of(*found, "username"),
                        .password = base::Secret(text_of(*found, "password"))};
        if (account.fulldomain.empty() || account.subdomain.empty() || account.username.empty() ||
            account.password.empty()) {
            return api_.fail(Code::ConfigWrongValue,
                             storage_ + ": the account of " + domain +
                                 " lacks fulldomain, subdomain, username or password",
                             "copy all that the server's /register answered");
        }
        if (bare_name(record.name) == account.fulldomain) return account;
        const std::string told = base::printable(account.fulldomain, 253);
        return api_.fail(Code::ProviderNoZone,
                         "the challenge for " + domain + " leads to " +
                             base::printable(bare_name(record.name), 253) + ", not to its account " + told,
                         "add the record _acme-challenge." + domain + ". CNAME " + told + ".");
    }

    [[nodiscard]] Result<json> read_storage() const {
        base::SystemFiles files;
        const base::FileInfo info = TRY(files.info(storage_));
        if (info.kind == base::FileKind::Regular && (info.mode & 0077) != 0) {
            return api_.fail(Code::ConfigSecretExposed, storage_ + " can be read by others",
                             "chmod 600 " + storage_);
        }
        const std::string text = TRY(base::read_file(files, storage_, kStorageMax));
        json accounts = json::parse(text, nullptr, /*allow_exceptions=*/false);
        if (accounts.is_object()) return accounts;
        return api_.fail(Code::ConfigWrongValue, storage_ + " is no JSON object of accounts",
                         R"(it looks like {"example.com": {"fulldomain": "…", "subdomain": "…", …}})");
    }

    [[nodiscard]] Result<void> update(const Account& account, const TxtRecord& record) const {
        const ApiCall call{
            .method = "POST",
            .path = "/update",
            .body = json{{"subdomain", account.subdomain}, {"txt", record.value}}.dump(),
            .headers = {{"X-Api-User", account.username}, {"X-Api-Key", account.password.reveal()}},
            .what = "add a value for " + domain_of(record),
            .expects = {Verdict::Busy}};
        const ApiAnswer answer = TRY(api_.settle([&] { return api_.ask(call); }));
        const json body = TRY(api_.read_json(call, answer));
        if (text_of(body, "txt") == record.value) return {};
        return api_.strange(call, "the answer does not repeat our value");
    }

    [[nodiscard]] bool holds(const std::string& subdomain, const std::string& value) {
        const std::scoped_lock lock(mutex_);
        const std::vector<std::string>& values = held_[subdomain];
        return std::ranges::find(values, value) != values.end();
    }

    void remember(const std::string& subdomain, const std::string& value) {
        const std::scoped_lock lock(mutex_);
        std::vector<std::string>& values = held_[subdomain];
        values.push_back(value);
        if (values.size() > 2) values.erase(values.begin());
    }

    Api api_;
    std::string storage_;
    std::mutex mutex_{};
    /// What we have put there and not taken back, the oldest first, by subdomain. Guarded by mutex_.
    std::map<std::string, std::vector<std::string>> held_{};
};

}  // namespace

ProviderKind acme_dns_kind() {
    using Kind = ProviderKey::Kind;
    return {.name = "acme-dns",
            .keys = api_keys({{.name = "server",
                               .kind = Kind::Url,
                               .is_required = true,
                               .meaning = "the URL of its API: https://auth.example.com"},
                              {.name = "storage",
                               .kind = Kind::Path,
                               .is_required = true,
                               .meaning = "JSON file of the accounts by domain, mode 0600: fulldomain, "
                                          "subdomain, username, password"}},
                             /*has_endpoint=*/false),
            .make = [](const ProviderSettings& settings,
                       const ProviderEffects& effects) -> Result<std::unique_ptr<DnsProvider>> {
                const Dialect dialect{.provider = "acme-dns", .rights = kRights};
                return std::make_unique<AcmeDns>(
                    TRY(Api::open(dialect, settings, effects, setting(settings, "server"), nobody)),
                    setting(settings, "storage"));
            }};
}

}  // namespace acme
