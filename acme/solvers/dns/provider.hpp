// SPDX-License-Identifier: Apache-2.0
// Who can write a TXT record: an API, a name server, or a program that knows how. One table says which there
// are and which keys of [solver.X] each takes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "acme/solvers/solver.hpp"
#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/error.hpp"
#include "base/http.hpp"
#include "base/secret_source.hpp"

namespace acme {

/// One value that has to be seen at one name, beside whatever else is there.
struct TxtRecord {
    /// Lower case with a final dot. Where the value belongs: after CNAMEs, unless the provider takes names as
    /// asked.
    std::string name{};
    std::string value{};  // 43 characters of base64url (RFC 8555 §8.4)
    std::string zone{};   // the zone that holds `name`, by its SOA; empty where the provider did not want it
    std::uint32_t ttl = 60;
    ChallengeTask
        task{};  // for programs whose protocol wants the identifier, the token or the key authorization
};

/// Thread safe.
class DnsProvider {
  public:
    virtual ~DnsProvider() = default;

    /// True where its protocol wants the identifier as asked (certbot's and dehydrated's hooks), so that
    /// nobody follows CNAMEs or looks for zones on its behalf.
    [[nodiscard]] virtual bool takes_names_as_asked() const { return false; }

    /// Adds the value, leaving others at the name alone; one that is there already is well. Blocks. The
    /// answer is how long the provider asks to wait before anybody looks. provider/….
    [[nodiscard]] virtual base::Result<base::Seconds> present(const TxtRecord& record) = 0;
    /// Removes this value and no other; nothing there is well.
    [[nodiscard]] virtual base::Result<void> clean_up(const TxtRecord& record) = 0;
};

/// A key of [solver.X]. Tables are flattened: "tsig.name".
struct ProviderKey {
    enum class Kind { Text, Url, Path, Argv, Secret };
    std::string_view name{};
    Kind kind = Kind::Text;
    bool is_required = false;
    std::string_view meaning{};  // for messages and the documentation: "the API token"
};

/// What [solver.X] says for its provider; every key is one of the provider's, every required one is there.
struct ProviderSettings {
    std::string solver{};  // its name, for messages
    std::map<std::string, std::string> texts{};
    std::map<std::string, std::vector<std::string>> argvs{};
    std::map<std::string, base::SecretSource> secrets{};  // under the key's name without "_file" and the like
    /// `environment` of the solver: for the programs it runs.
    std::map<std::string, std::string> environment{};
    std::map<std::string, base::SecretSource> secret_environment{};
};

/// How a provider reaches the world; all borrowed.
struct ProviderEffects {
    base::Transport& transport;
    const base::Dns& dns;
    base::Clock& clock;
    std::vector<std::string> plugin_path{};  // directories, for `plugin`
};

/// One kind of provider.
struct ProviderKind {
    std::string_view name{};
    std::vector<ProviderKey> keys{};
    std::function<base::Result<std::unique_ptr<DnsProvider>>(const ProviderSettings&, const ProviderEffects&)>
        make{};
};

/// All of them, in the order in which messages list them.
[[nodiscard]] const std::vector<ProviderKind>& provider_kinds();
/// nullptr if there is none of this name.
[[nodiscard]] const ProviderKind* find_provider_kind(std::string_view name);

}  // namespace acme
