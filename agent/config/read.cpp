// SPDX-License-Identifier: Apache-2.0
// From texts to tables to values: everything that is no certificate.
#include <algorithm>
#include <deque>
#include <map>
#include <span>

#include "agent/config/reading.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"

namespace agent {

using base::Code;

namespace {

constexpr std::size_t kSocketPathMax = 107;  // unix(7)

std::string first_line(std::string_view text) {
    return std::string(text.substr(0, text.find('\n')));
}

/// What is to be done every so often, or may take so long: with no time at all it would never end, or never
/// be done.
base::Result<base::Seconds> parse_period(std::string_view text) {
    const base::Seconds duration = TRY(parse_duration(text));
    if (duration.count() > 0) return duration;
    return base::fail(Code::ConfigWrongValue,
                      "\"" + base::printable(text, 40) + R"(" is no time at all; accepted: "1s" or more)");
}

}  // namespace

Reading::Reading(const ConfigFiles& files) : main_file_(files.main) {
    for (const ConfigText& file : files.texts) read_text(file);
}

Reading::Reading(const ConfigFiles& files, const std::vector<std::uint32_t>& chosen)
    : main_file_(files.main) {
    for (const std::uint32_t index : chosen) read_text(files.texts.at(index));
}

std::optional<toml::table> Reading::parse(const ConfigText& file) {
    try {
        return toml::parse(file.text, file.path);
    } catch (const toml::parse_error& error) {
        problems_.add(Code::ConfigSyntax, error.source(), first_line(error.description()));
        return std::nullopt;
    }
}

void Reading::read_text(const ConfigText& file) {
    auto document = parse(file);
    if (!document) return;
    documents_.push_back(std::move(*document));
    for (const auto& [key, node] : documents_.back())
        take(std::string(key.str()), node, key.source(), file.path == main_file_);
}

const toml::table* Reading::take_next(const ConfigText& file) {
    tables_.certificate.clear();
    next_ = parse(file);
    if (!next_) return nullptr;
    for (const auto& [key, node] : *next_)
        take(std::string(key.str()), node, key.source(), file.path == main_file_);
    return &*next_;
}

void Reading::take(const std::string& key, const toml::node& node, const toml::source_region& where,
                   bool is_main) {
    if (key == "agent" || key == "defaults") {
        if (!is_main) {
            problems_.add(Code::ConfigConflict, where,
                          "[" + key + "] stands only in the main file, " + main_file_);
            return;
        }
        take_single(key, node, key == "agent" ? tables_.agent : tables_.defaults);
    } else if (key == "dns") {
        take_single(key, node, tables_.dns);
    } else if (key == "hooks") {
        take_single(key, node, tables_.hooks);
    } else if (key == "ca") {
        take_named(key, node, tables_.ca);
    } else if (key == "solver") {
        take_named(key, node, tables_.solver);
    } else if (key == "host") {
        take_named(key, node, tables_.host);
    } else if (key == "certificate") {
        take_named(key, node, tables_.certificate);
    } else if (key == "target" || key == "service" || key == "group" || key == "ssh" || key == "notice") {
        problems_.add(Code::ConfigNotBuilt, where,
                      "[" + key + "] is not built yet in renewd " RENEWD_VERSION);
    } else {
        const std::string meant =
            nearest(key, {"agent", "defaults", "dns", "hooks", "ca", "solver", "host", "certificate"});
        problems_.add(Code::ConfigUnknownKey, where,
                      "unknown table or key \"" + base::printable(key, 80) + "\"" +
                          (meant.empty() ? "; known: [agent], [defaults], [dns], [hooks], [ca.X], "
                                           "[solver.X], [host.X], [certificate.X]"
                                         : "; did you mean \"" + meant + "\"?"));
    }
}

void Reading::take_single(const std::string& key, const toml::node& node, const toml::table*& place) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
        problems_.add(Code::ConfigWrongValue, node.source(),
                      "\"" + key + "\" must be a table: [" + key + "]");
    } else if (place != nullptr) {
        problems_.add(Code::ConfigConflict, node.source(),
                      "[" + key + "] stands already in " + *place->source().path + ":" +
                          std::to_string(place->source().begin.line));
    } else {
        place = table;
    }
}

void Reading::take_named(const std::string& key, const toml::node& node, NamedTables& place) {
    const toml::table* group = node.as_table();
    if (group == nullptr) {
        problems_.add(Code::ConfigWrongValue, node.source(),
                      "\"" + key + "\" must hold tables: [" + key + ".NAME]");
        return;
    }
    for (const auto& [name, value] : *group) {
        const std::string label = "[" + key + ".\"" + base::printable(name.str(), 200) + "\"]";
        const toml::table* table = value.as_table();
        if (table == nullptr) {
            problems_.add(
                Code::ConfigWrongValue, value.source(),
                label + " must be a table; \"" + std::string(name.str()) + "\" is read as its name");
            continue;
        }
        const auto valid =
            key == "certificate" ? check_certificate_name(name.str()) : check_plain_name(name.str());
        if (!valid) {
            problems_.add(Code::ConfigWrongValue, name.source(), label + ": " + valid.error().message);
            continue;
        }
        place.emplace(std::string(name.str()), table);
        const auto [known, is_new] =
            places_.emplace(label, *table->source().path + ":" + std::to_string(table->source().begin.line));
        if (!is_new)
            problems_.add(Code::ConfigConflict, name.source(), label + " stands already in " + known->second);
    }
}

void Reading::read_ground(Config& config) {
    config.file = main_file_;
    read_agent(config);
    read_cas(config);
    read_dns(tables_, config, problems_);
    read_solvers(tables_, config, problems_);
    read_hosts(config);
    read_hooks(config);
    if (tables_.defaults != nullptr) check_defaults(*tables_.defaults, config, problems_);
}

void Reading::read_agent(Config& config) {
    if (tables_.agent == nullptr) return;
    Section section(*tables_.agent, "[agent]", problems_);
    AgentConfig& agent = config.agent;
    agent.state_dir = section.path("state_dir").value_or(agent.state_dir);
    agent.jobs = static_cast<std::size_t>(section.number("jobs", 1, 1024).value_or(16));
    agent.host_jobs = static_cast<std::size_t>(section.number("host_jobs", 1, 1024).value_or(20));
    agent.keep = static_cast<int>(section.number("keep", 1, 1000).value_or(agent.keep));
    agent.verify_every = section.parsed("verify_every", parse_period).value_or(agent.verify_every);
    agent.min_free_bytes = section.parsed("min_free", parse_size).value_or(agent.min_free_bytes);
    agent.allow_volatile = section.flag("allow_volatile").value_or(false);
    agent.plugin_path = section.texts("plugin_path").value_or(agent.plugin_path);
    for (const std::string& directory : agent.plugin_path) {
        if (!directory.starts_with('/'))
            section.wrong("plugin_path", "\"" + base::printable(directory, 80) +
                                             "\" must be an absolute path, beginning with /");
    }
    agent.helper = section.path("helper").value_or("");
    if (agent.helper.size() > kSocketPathMax)
        section.wrong("helper", "a socket's path has at most " + std::to_string(kSocketPathMax) + " bytes");
    agent.metrics_file = section.path("metrics_file").value_or("");
    section.not_built({"listen", "listen_token_file"});
    section.finish();
}

/// `limits = { new-orders = 3000 }`: those that the CA has set otherwise for this account.
std::vector<CaLimit> Reading::read_limits(Section& section, const std::string& directory) {
    constexpr std::int64_t kMost = 1'000'000;
    const toml::table* table = section.table("limits");
    if (table == nullptr) return {};
    const std::span<const CaLimit> known = limits_of(directory);
    if (known.empty()) {
        section.wrong("limits",
                      "what this CA limits is not known to renewd, which learns it by its refusals");
        return {};
    }
    Section numbers(*table, section.what() + " limits", problems_);
    std::map<std::string, int, std::less<>> changed;
    for (const CaLimit& limit : known) {
        if (const auto most = numbers.number(limit.id, 1, kMost))
            changed.emplace(limit.id, static_cast<int>(*most));
    }
    numbers.finish();
    return with_numbers(known, changed);
}

void Reading::read_cas(Config& config) {
    config.cas["letsencrypt"] = {.name = "letsencrypt",
                                 .directory = "https://acme-v02.api.letsencrypt.org/directory",
                                 .staging = "https://acme-staging-v02.api.letsencrypt.org/directory"};
    config.cas["letsencrypt-staging"] = {
        .name = "letsencrypt-staging", .directory = "https://acme-staging-v02.api.letsencrypt.org/directory"};
    for (const auto& [name, table] : tables_.ca) {
        Section section(*table, "[ca." + name + "]", problems_);
        CaConfig& ca = config.cas[name];
        ca.name = name;
        if (auto directory = section.text("directory")) {
            ca.directory = *directory;
            if (!ca.directory.starts_with("https://") || ca.directory.size() < 12) {
                section.wrong(
                    "directory",
                    "\"" + base::printable(ca.directory) +
                        "\" must be an https:// URL: a CA is never asked over plain http (RFC 8555 §6.1)");
            }
        } else if (ca.directory.empty() && !section.has("directory")) {
            section.wrong_here("\"directory\" is missing: the URL of the CA's ACME directory",
                               Code::ConfigMissing);
        }
        ca.contact = section.texts("contact").value_or(std::vector<std::string>{});
        ca.agree_tos = section.flag("agree_tos").value_or(false);
        ca.staging = section.text("staging").value_or(ca.staging);
        if (!ca.staging.empty() && !ca.staging.starts_with("https://"))
            section.wrong("staging", "must be an https:// URL");
        ca.profile = section.text("profile").value_or("");
        ca.preferred_chain = section.text("preferred_chain").value_or("");
        ca.roots = section.path("roots").value_or("");
        if (!ca.roots.empty()) check_readable(section, "roots", ca.roots, /*is_secret=*/false);
        ca.proxy = section.text("proxy").value_or("");
        ca.eab = read_binding(section);
        ca.limits = read_limits(section, ca.directory);
        section.not_built({"client"});
        section.finish();
    }
}

void Reading::read_hosts(Config& config) {
    for (const auto& [name, table] : tables_.host) {
        Section section(*table, "[host." + name + "]", problems_);
        HostConfig host;
        if (auto destination = section.parsed("ssh", parse_ssh_destination)) {
            host = *destination;
        } else if (!section.has("ssh")) {
            section.wrong_here(R"("ssh" is missing: "deploy@web1.example.com:22")", Code::ConfigMissing);
        }
        host.name = name;
        host.address = section.text("address").value_or("");
        if (!host.address.empty() && base::address_bytes(host.address).empty()) {
            section.wrong("address", "\"" + base::printable(host.address) + "\" is no IP address");
        }
        host.identity_file = section.path("identity_file").value_or("");
        if (!host.identity_file.empty())
            check_readable(section, "identity_file", host.identity_file, /*is_secret=*/true);
        for (const std::string& key : section.texts("host_key").value_or(std::vector<std::string>{})) {
            const auto space = key.find(' ');
            if (space == std::string::npos ||
                key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-@.") < space) {
                section.wrong("host_key", R"(must be a public key as in known_hosts, "ssh-ed25519 AAAA…")");
            }
            host.host_keys.push_back(key);
        }
        host.sudo = section.flag("sudo").value_or(false);
        section.not_built({"jump", "look_from"});
        section.finish();
        config.hosts[name] = std::move(host);
    }
}

void Reading::read_hooks(Config& config) {
    if (tables_.hooks == nullptr) return;
    Section section(*tables_.hooks, "[hooks]", problems_);
    config.hooks.directory = section.path("directory").value_or(config.hooks.directory);
    config.hooks.timeout = section.parsed("timeout", parse_period).value_or(config.hooks.timeout);
    section.finish();
}

void Reading::check_readable(Section& section, std::string_view key, const std::string& path,
                             bool is_secret) {
    auto file = files_.open(path, 0, 0);
    if (!file) {
        section.wrong(key, file.error().message, Code::ConfigUnreadable);
        return;
    }
    const auto info = files_.info(path);
    if (is_secret && info && (info->mode & 0077) != 0) {
        section.wrong(key, path + " can be read by others;  chmod 600 " + path, Code::ConfigSecretExposed);
    }
}

tl::expected<Config, std::vector<base::Error>> parse_config(const ConfigFiles& files) {
    Reading reading(files);
    Config config;
    if (reading.problems().empty()) {
        reading.read_ground(config);
        CertificateReader certificates(reading.tables().defaults, config, reading.problems());
        for (const auto& [name, table] : reading.tables().certificate)
            config.certificates.emplace(name, certificates.read(name, *table));
    }
    if (!reading.problems().empty()) return tl::make_unexpected(std::move(reading.problems()).take());
    return config;
}

tl::expected<Config, std::vector<base::Error>> read_config(const std::string& file) {
    const auto files = load_config_files(file);
    if (!files) return tl::make_unexpected(files.error());
    return parse_config(*files);
}

}  // namespace agent
