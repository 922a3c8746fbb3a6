// SPDX-License-Identifier: Apache-2.0
// [dns] and [solver.X]: how names are proven. The keys of a DNS provider are its own, from the table of
// providers; a table among them ("tsig = { … }") is read as "tsig.name", "tsig.secret".
#include <algorithm>
#include <array>
#include <set>

#include "acme/solvers/listen_address.hpp"
#include "agent/config/reading.hpp"
#include "base/encoding.hpp"

namespace agent {

using acme::ProviderKey;
using base::Code;

namespace {

constexpr std::array<std::string_view, 5> kTypes{"http-01", "tls-alpn-01", "dns-01", "dns-account-01",
                                                 "dns-persist-01"};
constexpr std::int64_t kTtlMax = 86'400;
constexpr std::array<std::string_view, 4> kSecretSuffixes{"_file", "_credential", "_env", "_command"};

std::string in_quotes(std::string_view text) {
    return "\"" + base::printable(text, 80) + "\"";
}

template <class Names>
std::string listed(const Names& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    return out;
}

std::vector<std::string> provider_names() {
    std::vector<std::string> names;
    for (const acme::ProviderKind& kind : acme::provider_kinds()) names.emplace_back(kind.name);
    return names;
}

/// https, or plain http to this machine.
bool is_safe_url(std::string_view url) {
    if (url.starts_with("https://")) return url.size() > 8;
    const auto has_host = [url](std::string_view origin) {
        return url.starts_with(origin) &&
               (url.size() == origin.size() || url[origin.size()] == ':' || url[origin.size()] == '/');
    };
    return has_host("http://localhost") || has_host("http://127.0.0.1") || has_host("http://[::1]");
}

void read_listen(Section& section, SolverConfig& solver) {
    solver.listen = section.text("listen").value_or("");
    if (solver.listen.empty()) return;
    if (auto valid = acme::parse_listen(solver.listen); !valid)
        section.wrong("listen", valid.error().message);
}

void read_http(Section& section, SolverConfig& solver) {
    solver.webroot = section.path("webroot").value_or("");
    read_listen(section, solver);
    if (section.has("webroot") != section.has("listen")) return;
    section.wrong_here(
        "needs one of \"webroot\" (a directory your web server shows) and \"listen\" (\"*:80\": renewd "
        "answers "
        "itself)",
        Code::ConfigMissing);
}

void read_tls_alpn(Section& section, SolverConfig& solver) {
    read_listen(section, solver);
    if (!section.has("listen")) solver.listen = "*:443";
}

/// One of the provider's keys from the table it stands in; `name` without the table's.
void read_key(Section& section, const std::string& name, const ProviderKey& key,
              acme::ProviderSettings& settings) {
    const std::string whole(key.name);
    bool is_there = section.has(name);
    switch (key.kind) {
        case ProviderKey::Kind::Text:
        case ProviderKey::Kind::Url:
            if (auto value = section.text(name)) {
                if (key.kind == ProviderKey::Kind::Url && !is_safe_url(*value))
                    section.wrong(
                        name, in_quotes(*value) + " must be an https:// URL; plain http only to loopback");
                settings.texts[whole] = std::move(*value);
            }
            break;
        case ProviderKey::Kind::Path:
            if (auto value = section.path(name)) settings.texts[whole] = std::move(*value);
            break;
        case ProviderKey::Kind::Argv:
            // A program without arguments may be written as a path.
            if (const toml::node* node = section.node(name); node != nullptr && node->is_string()) {
                if (auto program = section.path(name)) settings.argvs[whole] = {std::move(*program)};
            } else if (auto value = section.argv(name)) {
                if (value->empty()) section.wrong(name, "is empty; name a program");
                settings.argvs[whole] = std::move(*value);
            }
            break;
        case ProviderKey::Kind::Secret:
            for (const std::string_view suffix : kSecretSuffixes)
                is_there = is_there || section.has(name + std::string(suffix));
            if (auto source = section.secret(name)) settings.secrets[whole] = std::move(*source);
            break;
    }
    // With `credentials` what would be required comes from elsewhere.
    if (is_there || !key.is_required || section.has("credentials")) return;
    const bool is_secret = key.kind == ProviderKey::Kind::Secret;
    section.wrong_here(
        "\"" + name + (is_secret ? "_file" : "") + "\" is missing: " + std::string(key.meaning) +
            (is_secret ? "; or " + name + "_credential, " + name + "_env, " + name + "_command" : ""),
        Code::ConfigMissing);
}

/// The provider's keys, those of each table in a section of its own.
void read_provider_keys(Section& section, const acme::ProviderKind& kind, acme::ProviderSettings& settings) {
    std::map<std::string, std::vector<const ProviderKey*>> tables;
    for (const ProviderKey& key : kind.keys) {
        const std::size_t dot = key.name.find('.');
        if (dot == std::string_view::npos) {
            read_key(section, std::string(key.name), key, settings);
        } else {
            tables[std::string(key.name.substr(0, dot))].push_back(&key);
        }
    }
    static const toml::table none;
    for (const auto& [name, keys] : tables) {
        const toml::table* table = section.table(name);
        const bool is_wanted =
            std::ranges::any_of(keys, [](const ProviderKey* key) { return key->is_required; });
        if (table == nullptr && (section.has(name) || !is_wanted)) continue;
        Section inner(table == nullptr ? none : *table, name + " of " + section.what(), section.problems());
        for (const ProviderKey* key : keys)
            read_key(inner, std::string(key->name.substr(name.size() + 1)), *key, settings);
        inner.finish();
    }
}

bool is_variable_name(std::string_view name) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    return !name.empty() && is_letter(name.front()) &&
           std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// `environment`: values, and secrets as NAME_file and the like.
void read_environment(Section& section, acme::ProviderSettings& settings) {
    const toml::table* table = section.table("environment");
    if (table == nullptr) return;
    Section variables(*table, "environment of " + section.what(), section.problems());
    for (const auto& [key, node] : *table) {
        std::string name(key.str());
        const auto suffix = std::ranges::find_if(kSecretSuffixes,
                                                 [&](std::string_view each) { return name.ends_with(each); });
        const bool is_secret = suffix != kSecretSuffixes.end();
        const std::string written = name;
        if (is_secret) name.resize(name.size() - suffix->size());
        if (!is_variable_name(name)) {
            variables.wrong(written, in_quotes(name) + " is no name of an environment variable");
        } else if (!is_secret) {
            if (auto value = variables.text(name)) settings.environment[name] = std::move(*value);
        } else if (auto source = variables.secret(name)) {
            settings.secret_environment[name] = std::move(*source);
        }
    }
    variables.finish();
}

void read_propagation(Section& section, SolverConfig& solver, const acme::ProviderKind& kind,
                      const DnsConfig& dns) {
    using acme::Propagation;
    const std::string text =
        section.text("propagation").value_or(dns.is_public ? "authoritative" : "resolvers");
    const bool has_server = std::ranges::any_of(kind.keys, [](const ProviderKey& key) {
        return key.name == "server" && key.kind == ProviderKey::Kind::Text;
    });
    const auto mode = acme::parse_propagation(text);
    const bool is_out_of_reach = mode == Propagation::Authoritative && !dns.is_public;
    if (!mode || is_out_of_reach || (mode == Propagation::Server && !has_server)) {
        section.wrong("propagation",
                      (!mode             ? in_quotes(text) + " is no way to look"
                       : is_out_of_reach ? "[dns] public = false, so no authoritative server is asked"
                                         : "provider " + in_quotes(kind.name) + " updates no server") +
                          "; accepted: " + (dns.is_public ? R"("authoritative", )" : "") +
                          R"("resolvers", )" + (has_server ? R"("server", )" : "") + R"("none")");
    }
    solver.propagation.mode = mode.value_or(Propagation::Authoritative);
    if (has_server && solver.settings.texts.contains("server"))
        solver.propagation.server = solver.settings.texts.at("server");
    solver.propagation.patience =
        section.parsed("propagation_timeout", parse_duration).value_or(solver.propagation.patience);
    solver.ttl = static_cast<std::uint32_t>(section.number("ttl", 1, kTtlMax).value_or(solver.ttl));
}

/// False where the provider is not known, and its keys mean nothing.
bool read_provider(Section& section, SolverConfig& solver, const DnsConfig& dns) {
    solver.settings.solver = solver.name;
    const auto name = section.text("provider");
    const std::vector<std::string> names = provider_names();
    if (!name) {
        if (!section.has("provider"))
            section.wrong_here(
                "\"provider\" is missing: who writes its TXT records; accepted: " + listed(names),
                Code::ConfigMissing);
        return false;
    }
    const acme::ProviderKind* kind = acme::find_provider_kind(*name);
    if (kind == nullptr) {
        const std::string meant = nearest(*name, {names.begin(), names.end()});
        section.wrong("provider", in_quotes(*name) + " is no DNS provider" +
                                      (meant.empty() ? "; accepted: " + listed(names)
                                                     : "; did you mean \"" + meant + "\"?"));
        return false;
    }
    solver.provider = *name;
    read_provider_keys(section, *kind, solver.settings);
    read_environment(section, solver.settings);
    read_propagation(section, solver, *kind, dns);
    return true;
}

/// False where the type is not known, and the other keys mean nothing.
bool read_type(Section& section, SolverConfig& solver, const DnsConfig& dns) {
    const auto type = section.text("type");
    if (!type) {
        if (!section.has("type"))
            section.wrong_here("\"type\" is missing; accepted: " + listed(kTypes), Code::ConfigMissing);
        return false;
    }
    solver.type = *type;
    if (*type == "http-01") {
        read_http(section, solver);
    } else if (*type == "tls-alpn-01") {
        read_tls_alpn(section, solver);
    } else if (solver.has_provider()) {
        return read_provider(section, solver, dns);
    } else if (*type != "dns-persist-01") {
        section.wrong("type", in_quotes(*type) + " is no challenge type; accepted: " + listed(kTypes));
        return false;
    }
    return true;
}

}  // namespace

void read_dns(const Tables& tables, Config& config, Problems& problems) {
    if (tables.dns == nullptr) return;
    Section section(*tables.dns, "[dns]", problems);
    for (const std::string& text : section.texts("servers").value_or(std::vector<std::string>{})) {
        if (auto server = base::parse_dns_server(text)) {
            config.dns.servers.push_back(std::move(*server));
        } else {
            section.wrong("servers", server.error().message);
        }
    }
    config.dns.is_public = section.flag("public").value_or(true);
    section.finish();
}

void read_solvers(const Tables& tables, Config& config, Problems& problems) {
    for (const auto& [name, table] : tables.solver) {
        Section section(*table, "[solver." + name + "]", problems);
        SolverConfig& solver = config.solvers[name];
        solver.name = name;
        for (const std::string& taken : section.texts("for").value_or(std::vector<std::string>{})) {
            if (auto identifier = base::parse_identifier(taken); !identifier) {
                section.wrong("for", identifier.error().message);
            } else {
                solver.takes.push_back(identifier->value);
            }
        }
        if (read_type(section, solver, config.dns)) section.finish();
    }
}

bool proves_wildcards(const SolverConfig& solver) {
    return solver.has_provider() || solver.type == "dns-persist-01";
}

bool proves_addresses(const SolverConfig& solver) {
    return solver.type == "http-01" || solver.type == "tls-alpn-01";
}

const SolverConfig* solver_for(const Config& config, const CertificateConfig& certificate,
                               const base::Identifier& name) {
    const SolverConfig* best = nullptr;
    std::size_t best_length = 0;
    for (const auto& [solver_name, solver] : config.solvers) {
        for (const std::string& pattern : solver.takes) {
            const bool is_own = pattern == name.value;
            const bool is_below = pattern.starts_with("*.") && name.value.ends_with(pattern.substr(1));
            const std::size_t length = pattern.size() * 2 + (is_own ? 1 : 0);
            if ((is_own || is_below) && length > best_length) {
                best = &solver;
                best_length = length;
            }
        }
    }
    if (best != nullptr) return best;
    const auto own = config.solvers.find(certificate.solver);
    return own == config.solvers.end() ? nullptr : &own->second;
}

}  // namespace agent
