// SPDX-License-Identifier: Apache-2.0
// What the user wants, as values. After read_config() nothing here is a maybe-valid string: names are names,
// durations are durations, every target is complete with its defaults filled in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "acme/jws.hpp"
#include "acme/solvers/dns/propagation.hpp"
#include "acme/solvers/dns/provider.hpp"
#include "agent/config/window.hpp"
#include "agent/plan/ca_limits.hpp"
#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/error.hpp"
#include "base/http.hpp"
#include "base/identifier.hpp"
#include "base/key.hpp"
#include "base/request.hpp"
#include "base/secret_source.hpp"
#include "deployers/deployer.hpp"
#include "deployers/probe/endpoint.hpp"

namespace agent {

struct AgentConfig {
    std::string state_dir{"/var/lib/renewd"};
    std::size_t jobs = 16;       // certificates worked on at once
    std::size_t host_jobs = 20;  // hosts worked on at once
    int keep = 3;                // generations kept; wanted and served ones always
    base::Seconds verify_every{3600};
    std::uint64_t min_free_bytes = 8ULL * 1024 * 1024;
    bool allow_volatile = false;             // state on tmpfs or under /tmp
    std::string metrics_file{};              // for a Prometheus collector; empty: none
    std::string helper{};                    // the root helper's socket; empty: none
    std::vector<std::string> plugin_path{};  // directories, beside the built-in ones
};

/// The CA's own account that ours is to belong to (RFC 8555 §7.3.4); its key is read when one is registered.
struct BindingConfig {
    std::string kid{};
    base::SecretSource key{};
    acme::MacAlgorithm algorithm = acme::MacAlgorithm::Hs256;
};

struct CaConfig {
    std::string name{};
    std::string directory{};
    std::vector<std::string> contact{};
    bool agree_tos = false;
    std::string staging{};  // the directory that --dry-run orders from; empty: none
    std::string profile{};
    std::string preferred_chain{};  // common name of the issuer at its top
    std::string
        roots{};  // PEM file: anchors for the CA's own HTTPS and for what its certificates are served with
    std::string proxy{};
    std::optional<BindingConfig> eab{};
    std::vector<CaLimit> limits{};  // where the CA has agreed on other numbers; empty: as it has for all

    [[nodiscard]] std::span<const CaLimit> known_limits() const {
        return limits.empty() ? limits_of(directory) : std::span<const CaLimit>(limits);
    }
};

struct DnsConfig {
    std::vector<base::DnsServer> servers{};  // whom to ask; none: the system's resolvers
    bool is_public = true;  // false: private names, of which no authoritative server is asked
};

struct SolverConfig {
    std::string name{};
    std::string type{};                // the challenge type it answers: "http-01"
    std::string webroot{};             // http-01: this or `listen`
    std::string listen{};              // http-01 and tls-alpn-01
    std::vector<std::string> takes{};  // `for`: the names it takes
    // dns-01 and dns-account-01
    std::string provider{};
    acme::ProviderSettings settings{};
    acme::PropagationPolicy propagation{};
    std::uint32_t ttl = 60;  // seconds, of the records it writes

    /// Does it write TXT records?
    [[nodiscard]] bool has_provider() const { return type == "dns-01" || type == "dns-account-01"; }
};

/// Can this type of challenge prove a wildcard (RFC 8555 §7.1.3), an address (RFC 8738 §4)?
[[nodiscard]] bool proves_wildcards(const SolverConfig& solver);
[[nodiscard]] bool proves_addresses(const SolverConfig& solver);

struct HostConfig {
    std::string name{};
    std::string user{};
    std::string host{};
    int port = 0;
    std::string address{};  // where to look for its endpoints; empty: where ssh connects
    std::string identity_file{};
    std::vector<std::string> host_keys{};
    bool sudo = false;
};

struct TargetConfig {
    std::string name{};
    std::string deployer{};
    std::string host{};  // a name in Config::hosts; empty: this machine
    deployers::Parameters parameters{};
    std::vector<deployers::Endpoint> endpoints{};  // none: nobody looks, it stays `unverified`
    std::string roots{};                           // extra anchors for judging what is served
    base::Seconds verify_for{60};
};

/// Events and the argv of a certificate's own hooks.
using HookCommands = std::map<std::string, std::vector<std::string>>;

struct CertificateConfig {
    std::string name{};
    std::vector<base::Identifier> names{};
    std::vector<std::string> ca{};      // first one first
    std::string solver{};               // its default; empty where every name is taken by some solver's `for`
    bool has_standing_records = false;  // some name is proven by a record of the user's (dns-persist-01)
    base::KeyType key_type = base::KeyType::EcdsaP256;
    std::string csr{};  // the file of the user's own request; empty: renewd makes key and request
    std::optional<base::Request> request{};            // what is in it
    std::map<std::string, std::string> profiles{};     // by CA, of every CA there is; none: the CA chooses
    std::map<std::string, std::string> directories{};  // their URLs, of the CAs of the list
    std::string contact{};
    std::optional<base::Seconds> renew_before{};   // before expiry; absent: by share of the lifetime
    std::vector<Window> windows{};                 // when deploying is let; none: always
    double window_ends_at = 0.25;                  // with less than this share of the lifetime left: always
    std::vector<deployers::Endpoint> endpoints{};  // the public names, judged after all targets
    std::vector<TargetConfig> targets{};
    HookCommands hooks{};
};

struct HooksConfig {
    std::string directory{"/etc/renewd/hooks.d"};
    base::Seconds timeout{60};
};

struct Config {
    std::string file{};
    AgentConfig agent{};
    DnsConfig dns{};
    std::map<std::string, CaConfig> cas{};
    std::map<std::string, SolverConfig> solvers{};
    std::map<std::string, HostConfig> hosts{};
    std::map<std::string, CertificateConfig> certificates{};
    HooksConfig hooks{};
};

struct ConfigText {
    std::string path{};
    std::string text{};
};

/// A configuration as it is written: the main file first, then conf.d/*.toml in byte order.
struct ConfigFiles {
    std::string main{};
    std::vector<ConfigText> texts{};
};

/// One file of a configuration, up to 16 MiB of it. A link is followed: a configuration is often one into a
/// store or a volume. file/….
[[nodiscard]] base::Result<ConfigText> load_config_text(const std::string& path);
/// Reads FILE and conf.d/*.toml beside it. config/unreadable, for each file that is.
[[nodiscard]] tl::expected<ConfigFiles, std::vector<base::Error>> load_config_files(const std::string& file);
/// All problems found, not only the first; each message begins with file:line:column and says what would be
/// accepted. Touches nothing.
[[nodiscard]] tl::expected<Config, std::vector<base::Error>> parse_config(const ConfigFiles& files);
/// The first of them, and in its message how many more there are. There is at least one.
[[nodiscard]] base::Error as_one(const std::vector<base::Error>& problems);
/// Both.
[[nodiscard]] tl::expected<Config, std::vector<base::Error>> read_config(const std::string& file);

/// Where the state may be of a configuration that cannot be read: as it says itself, as the service manager
/// says, the default. Of one whose main file can be parsed, the one that it says.
[[nodiscard]] std::vector<std::string> likely_state_directories(const std::string& main_file);
/// The likeliest of them.
[[nodiscard]] std::string state_directory_of(const std::string& main_file);

/// The solver that takes `name` for `certificate`: the most specific `for`, else the certificate's own;
/// nullptr if none.
[[nodiscard]] const SolverConfig* solver_for(const Config& config, const CertificateConfig& certificate,
                                             const base::Identifier& name);

/// Every path that a target writes to.
[[nodiscard]] std::vector<std::string> paths_of(const TargetConfig& target);

/// "90s", "15m", "12h", "30d".
[[nodiscard]] base::Result<base::Seconds> parse_duration(std::string_view text);
/// "512", "64KiB", "8MiB", "2GiB".
[[nodiscard]] base::Result<std::uint64_t> parse_size(std::string_view text);

/// `[a-z0-9*][a-z0-9._-]*`, at most 200 characters: a certificate's name before it becomes a path.
[[nodiscard]] base::Result<void> check_certificate_name(std::string_view name);
/// The same for targets, hosts, CAs and solvers: `[a-zA-Z0-9][a-zA-Z0-9._@-]*`, at most 100.
[[nodiscard]] base::Result<void> check_plain_name(std::string_view name);

/// "user@host:22", with or without "ssh://".
[[nodiscard]] base::Result<HostConfig> parse_ssh_destination(std::string_view text);

}  // namespace agent
