// SPDX-License-Identifier: Apache-2.0
// What the parts of reading a configuration share: the tables of all files under their names, before they are
// values.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <toml++/toml.h>

#include "agent/config/config.hpp"
#include "agent/config/section.hpp"
#include "base/file.hpp"

namespace agent {

/// A named table ("[certificate.X]") and the file it stands in.
using NamedTables = std::map<std::string, const toml::table*>;

/// Every table of every file, merged by name; the documents themselves live in read_config().
struct Tables {
    const toml::table* agent = nullptr;
    const toml::table* defaults = nullptr;
    const toml::table* dns = nullptr;
    const toml::table* hooks = nullptr;
    NamedTables ca{}, solver{}, host{}, certificate{};
};

/// From texts to tables to values.
class Reading {
  public:
    explicit Reading(const ConfigFiles& files);
    /// Some of the files only.
    Reading(const ConfigFiles& files, const std::vector<std::uint32_t>& chosen);

    /// Everything but certificates.
    void read_ground(Config& config);

    /// One more file, of which only certificates are read. It takes the place of the one that was added
    /// before it: tables() then has its certificates alone. Nothing where it cannot be parsed.
    [[nodiscard]] const toml::table* take_next(const ConfigText& file);

    /// One for each file that could be parsed; all of them where there are no problems.
    [[nodiscard]] const std::deque<toml::table>& documents() const { return documents_; }

    [[nodiscard]] Tables& tables() { return tables_; }

    [[nodiscard]] Problems& problems() { return problems_; }

  private:
    [[nodiscard]] std::optional<toml::table> parse(const ConfigText& file);
    void read_text(const ConfigText& file);
    void take(const std::string& key, const toml::node& node, const toml::source_region& where, bool is_main);
    void take_single(const std::string& key, const toml::node& node, const toml::table*& place);
    void take_named(const std::string& key, const toml::node& node, NamedTables& place);
    void read_agent(Config& config);
    void read_cas(Config& config);
    [[nodiscard]] std::vector<CaLimit> read_limits(Section& section, const std::string& directory);
    void read_hosts(Config& config);
    void read_hooks(Config& config);
    void check_readable(Section& section, std::string_view key, const std::string& path, bool is_secret);

    std::string main_file_;
    base::SystemFiles files_;
    std::deque<toml::table> documents_;
    std::optional<toml::table> next_;
    std::map<std::string, std::string> places_;  // "file:line" of each named table, by its header
    Tables tables_;
    Problems problems_;
};

/// [dns] and [solver.X].
void read_dns(const Tables& tables, Config& config, Problems& problems);
void read_solvers(const Tables& tables, Config& config, Problems& problems);

/// [certificate.X] with its targets, on top of [defaults]: one after the other, and what must hold between
/// them.
class CertificateReader {
  public:
    /// `ground` has the CAs, solvers and hosts. All of it is borrowed; `defaults` may be nullptr.
    CertificateReader(const toml::table* defaults, const Config& ground, Problems& problems);

    /// Incomplete where a problem was found.
    [[nodiscard]] CertificateConfig read(const std::string& name, const toml::table& table);

  private:
    void read_targets(Section& section, CertificateConfig& certificate);
    void claim_paths(Section& section, const CertificateConfig& certificate, const TargetConfig& target);

    const toml::table* defaults_;
    const toml::table* target_defaults_ = nullptr;
    const Config& ground_;
    Problems& problems_;
    std::map<std::string, std::string> path_owners_;  // by host and path
};

/// The keys of [defaults], which are read through the certificates: its own, and those of its target.
void check_defaults(const toml::table& table, const Config& config, Problems& problems);

/// `eab` of a CA's table; nothing where there is none, or where a problem was found.
std::optional<BindingConfig> read_binding(Section& ca);
/// `csr` of a certificate: the file, and the request in it where it is a good one.
void read_csr(Section& section, CertificateConfig& certificate);
/// `names` beside `csr` must be those of the request.
void check_csr_names(Section& section, const CertificateConfig& certificate);
/// What must hold once everything else of a certificate with `csr` has been read: one target, no private key
/// in it, and no other key type.
void check_csr_use(Section& section, const CertificateConfig& certificate, bool has_own_key_type);

/// Reports keys of [defaults.target] that no target has.
void check_target_defaults(const toml::table& table, const Config& config, Problems& problems);

/// One [[certificate.X.target]], complete; nothing where a problem was found.
std::optional<TargetConfig> read_target(const toml::table& table, const toml::table* defaults,
                                        const CertificateConfig& certificate, const Config& config,
                                        Problems& problems);

}  // namespace agent
