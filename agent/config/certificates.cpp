// SPDX-License-Identifier: Apache-2.0
// [certificate.X] on top of [defaults], and what must hold between certificates.
#include <algorithm>
#include <set>

#include "agent/config/reading.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Code;

namespace {

constexpr std::size_t kNamesMax = 100;

void read_names(Section& section, CertificateConfig& certificate) {
    if (!certificate.csr.empty() && !section.has("names")) {
        if (certificate.request) certificate.names = certificate.request->names;
        if (certificate.names.size() > kNamesMax) section.wrong("csr", "asks for more than 100 names");
        return;
    }
    const auto written = section.texts("names").value_or(std::vector<std::string>{certificate.name});
    for (const std::string& text : written) {
        auto identifier = base::parse_identifier(text);
        if (!identifier) {
            section.wrong("names", identifier.error().message);
        } else if (std::ranges::find(certificate.names, *identifier) != certificate.names.end()) {
            section.wrong(
                "names",
                "\"" + identifier->value + "\" stands twice" +
                    (text == identifier->value ? "" : " (\"" + base::printable(text, 80) + "\" is read so)"));
        } else {
            certificate.names.push_back(std::move(*identifier));
        }
    }
    if (written.empty())
        section.wrong("names", "is empty; leave it out, and the certificate's own name is taken");
    if (written.size() > kNamesMax)
        section.wrong("names", "holds more than 100 names; no public CA puts more into one certificate");
}

void read_cas(Section& section, CertificateConfig& certificate, const Config& config) {
    certificate.ca = section.texts("ca").value_or(std::vector<std::string>{"letsencrypt"});
    std::set<std::string, std::less<>> known;
    for (const auto& [name, ca] : config.cas) known.insert(name);
    for (const std::string& name : certificate.ca) {
        if (known.contains(name)) {
            certificate.directories[name] = config.cas.at(name).directory;
            continue;
        }
        const std::string meant = nearest(name, known);
        section.wrong("ca", "there is no [ca." + base::printable(name, 80) + "]" +
                                (meant.empty() ? "" : "; did you mean \"" + meant + "\"?"));
    }
    if (certificate.ca.empty()) section.wrong("ca", "is empty; name at least one CA");
    std::set<std::string> twice;
    for (const std::string& name : certificate.ca) {
        if (!twice.insert(name).second)
            section.wrong("ca", "\"" + base::printable(name, 80) + "\" stands twice");
    }
}

/// `profile = "short"` is asked of every CA of the certificate, `profile = { letsencrypt = "short" }` of that
/// one; whatever is not said here is said by the CA's own table.
void read_profiles(Section& section, CertificateConfig& certificate, const Config& config) {
    for (const auto& [name, ca] : config.cas) certificate.profiles[name] = ca.profile;
    const toml::node* node = section.node("profile");
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) {
        const std::string all = section.text("profile").value_or("");
        if (all.empty()) return;
        for (auto& [name, profile] : certificate.profiles) profile = all;
        return;
    }
    Section by_ca(*table, "profile of " + section.what(), section.problems());
    for (const auto& [name, ca] : config.cas) {
        if (by_ca.has(name)) certificate.profiles[name] = by_ca.text(name).value_or("");
    }
    by_ca.finish();
}

std::string described(const SolverConfig& solver) {
    return "[solver." + solver.name + "] is of type \"" + solver.type + "\"";
}

void read_solver(Section& section, CertificateConfig& certificate, const Config& config) {
    certificate.solver = section.text("solver").value_or("");
    if (certificate.solver.empty() && config.solvers.size() == 1)
        certificate.solver = config.solvers.begin()->first;
    if (!certificate.solver.empty() && !config.solvers.contains(certificate.solver)) {
        section.wrong("solver", "there is no [solver." + base::printable(certificate.solver, 80) + "]");
        return;
    }
    for (const base::Identifier& name : certificate.names) {
        const SolverConfig* solver = solver_for(config, certificate, name);
        if (solver != nullptr && solver->type == "dns-persist-01") certificate.has_standing_records = true;
        if (solver == nullptr) {
            section.wrong("solver",
                          "no solver takes " + name.value +
                              ": name one with solver = \"…\", or add it to a [solver.X]'s \"for\"",
                          Code::ConfigMissing);
        } else if (name.is_wildcard() && !proves_wildcards(*solver)) {
            section.wrong("names",
                          name.value + ": a wildcard is proven through DNS alone (RFC 8555 §7.1.3), but " +
                              described(*solver) + R"(; write a [solver.X] of type "dns-01" with  for = [")" +
                              name.value + "\"]");
        } else if (name.type == base::IdentifierType::Ip && !proves_addresses(*solver)) {
            section.wrong("names",
                          name.value + ": an address cannot be proven through DNS (RFC 8738 §7), but " +
                              described(*solver) +
                              R"(; write a [solver.X] of type "http-01" or "tls-alpn-01" with  for = [")" +
                              name.value + "\"]");
        }
    }
}

void read_hooks(Section& section, CertificateConfig& certificate) {
    const toml::table* table = section.table("hooks");
    if (table == nullptr) return;
    Section hooks(*table, "hooks of " + section.what(), section.problems());
    for (const std::string_view event : {"before_renew", "renewed", "before_deploy", "deployed", "verified",
                                         "served", "failed", "drifted", "expiring"}) {
        auto argv = hooks.argv(event);
        if (argv && argv->empty()) hooks.wrong(event, "is empty; name a program");
        if (argv && !argv->empty()) certificate.hooks[std::string(event)] = std::move(*argv);
    }
    hooks.finish();
}

/// Each of the list on its own, so that a problem has its own place.
void read_windows(Section& section, CertificateConfig& certificate) {
    const auto texts = section.texts("window");
    const toml::node* node = section.node("window");
    const toml::array* list = node == nullptr ? nullptr : node->as_array();
    for (std::size_t i = 0; texts && i < texts->size(); ++i) {
        auto window = parse_window((*texts)[i]);
        if (window) {
            certificate.windows.push_back(std::move(*window));
        } else {
            section.problems().add(window.error().code, (list == nullptr ? *node : (*list)[i]).source(),
                                   "\"window\" in " + section.what() + ": " + window.error().message);
        }
    }
    certificate.window_ends_at =
        section.parsed("window_ends_at", parse_share).value_or(certificate.window_ends_at);
}

void read_endpoints(Section& section, CertificateConfig& certificate) {
    for (const std::string& text : section.texts("endpoints").value_or(std::vector<std::string>{})) {
        if (auto endpoint = deployers::parse_endpoint(text)) {
            certificate.endpoints.push_back(std::move(*endpoint));
        } else {
            section.wrong("endpoints", endpoint.error().message, endpoint.error().code);
        }
    }
}

/// The one entry of a table that has just one, and that is a table itself; nullptr otherwise.
const toml::table* only_table_in(const toml::table& table, std::string& key) {
    if (table.size() != 1) return nullptr;
    const toml::table* inner = nullptr;
    for (const auto& [name, node] : table) {
        inner = node.as_table();
        key = name.str();
    }
    return inner;
}

/// [certificate.example.com] without quotes is TOML for a certificate "example" with a table "com" in it.
bool reports_bare_name(const std::string& name, const toml::table& table, Problems& problems) {
    std::string key;
    const toml::table* inner = only_table_in(table, key);
    const auto is_table_of_ours = [](const std::string& word) {
        return word == "hooks" || word == "profile";
    };
    if (inner == nullptr || is_table_of_ours(key)) return false;
    std::string whole = name + "." + key;
    const toml::source_region where = inner->source();
    for (std::string next; (inner = only_table_in(*inner, next)) != nullptr && !is_table_of_ours(next);)
        whole += "." + next;
    problems.add(Code::ConfigUnknownKey, where,
                 "[certificate." + whole + "] is read as certificate \"" + name + "\" with a key \"" + key +
                     "\"; write  [certificate.\"" + whole + "\"]");
    return true;
}

}  // namespace

CertificateReader::CertificateReader(const toml::table* defaults, const Config& ground, Problems& problems)
    : defaults_(defaults), ground_(ground), problems_(problems) {
    if (defaults_ == nullptr) return;
    const toml::node* target = defaults_->get("target");
    target_defaults_ =
        target == nullptr ? nullptr : target->as_table();  // check_defaults() says if it is none
}

CertificateConfig CertificateReader::read(const std::string& name, const toml::table& table) {
    CertificateConfig certificate{.name = name};
    if (reports_bare_name(name, table, problems_)) return certificate;
    Section section(table, "certificate \"" + name + "\"", problems_, defaults_);
    read_csr(section, certificate);
    read_names(section, certificate);
    check_csr_names(section, certificate);
    read_cas(section, certificate, ground_);
    read_solver(section, certificate, ground_);
    certificate.key_type = section.parsed("key_type", base::parse_key_type).value_or(certificate.key_type);
    certificate.contact = section.text("contact").value_or("");
    read_profiles(section, certificate, ground_);
    if (section.text("renew").value_or("auto") != "auto") {
        certificate.renew_before = section.parsed("renew", parse_duration);
    }
    if (section.text("rollout").value_or("parallel") != "parallel") {
        section.wrong("rollout", "only \"parallel\" is built yet in renewd " RENEWD_VERSION,
                      Code::ConfigNotBuilt);
    }
    read_windows(section, certificate);
    read_endpoints(section, certificate);
    read_hooks(section, certificate);
    read_targets(section, certificate);
    check_csr_use(section, certificate, table.contains("key_type"));
    section.not_built({"deploy_to", "key_origin", "freeze"});
    section.finish();
    return certificate;
}

void CertificateReader::read_targets(Section& section, CertificateConfig& certificate) {
    const toml::node* node = section.node("target");
    if (node == nullptr) return;
    const toml::array* list = node->as_array();
    if (list == nullptr) {
        section.wrong("target",
                      "is a list of tables; write  [[certificate.\"" + certificate.name + "\".target]]");
        return;
    }
    for (const toml::node& item : *list) {
        const toml::table* table = item.as_table();
        if (table == nullptr) {
            section.wrong("target", "holds something that is no table");
            continue;
        }
        auto target = read_target(*table, target_defaults_, certificate, ground_, section.problems());
        if (!target) continue;
        const bool is_taken = std::ranges::any_of(
            certificate.targets, [&](const TargetConfig& other) { return other.name == target->name; });
        if (is_taken)
            section.wrong("target", "two targets are named \"" + target->name + "\"", Code::ConfigConflict);
        claim_paths(section, certificate, *target);
        certificate.targets.push_back(std::move(*target));
    }
}

/// Two targets on one host must not write one path: the second would overwrite the first for ever.
void CertificateReader::claim_paths(Section& section, const CertificateConfig& certificate,
                                    const TargetConfig& target) {
    const std::string owner = "target " + target.name + " of certificate \"" + certificate.name + "\"";
    for (const std::string& path : paths_of(target)) {
        const auto [known, is_new] = path_owners_.emplace(target.host + ":" + path, owner);
        if (!is_new) {
            section.wrong("target",
                          "target " + target.name + " and " + known->second + " would both write " + path,
                          Code::ConfigConflict);
        }
    }
}

void check_defaults(const toml::table& table, const Config& config, Problems& problems) {
    Section defaults(table, "[defaults]", problems);
    if (const toml::table* target = defaults.table("target"))
        check_target_defaults(*target, config, problems);
    for (const std::string_view key : {"ca", "solver", "key_type", "contact", "profile", "renew", "rollout",
                                       "endpoints", "hooks", "window", "window_ends_at", "names", "csr"}) {
        if (defaults.has(key) && (key == "names" || key == "csr"))
            defaults.wrong(key, "belongs to a certificate, not to [defaults]");
    }
    defaults.finish();
}

}  // namespace agent
