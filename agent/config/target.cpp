// SPDX-License-Identifier: Apache-2.0
// One target: the service's own defaults, [defaults.target] over them, the target's own keys over those;
// variables filled in; every path checked before anything could be written to it.
#include <algorithm>
#include <array>
#include <cstdio>

#include "agent/config/reading.hpp"
#include "base/encoding.hpp"
#include "deployers/limits.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

constexpr std::array kForms{deployers::Form::Fullchain, deployers::Form::Key, deployers::Form::Chain,
                            deployers::Form::Cert, deployers::Form::Combined};

bool holds_key(deployers::Form form) {
    return form == deployers::Form::Key || form == deployers::Form::Combined;
}

/// {certificate} {name} {host} {address} {target} {contact}
class Variables {
  public:
    Variables(const CertificateConfig& certificate, const TargetConfig& target, const HostConfig* host)
        : values_{
              {"certificate", certificate.name.starts_with("*.") ? "_wildcard" + certificate.name.substr(1)
                                                                 : certificate.name},
              {"name", certificate.names.empty() ? certificate.name : certificate.names.front().value},
              {"host", host == nullptr ? "localhost" : host->name},
              {"address",
               host == nullptr ? "127.0.0.1" : (host->address.empty() ? host->host : host->address)},
              {"target", target.name},
              {"contact", certificate.contact}} {}

    [[nodiscard]] Result<std::string> fill(std::string_view text) const {
        std::string filled;
        while (true) {
            const auto open = text.find('{');
            filled += text.substr(0, open);
            if (open == std::string_view::npos) return filled;
            const auto close = text.find('}', open);
            const std::string_view name = text.substr(open + 1, close - open - 1);
            const auto known = close == std::string_view::npos ? values_.end() : values_.find(name);
            if (known == values_.end()) {
                return base::fail(Code::ConfigWrongValue, "\"{" + base::printable(name, 40) +
                                                              "}\" is no variable; known: {certificate} "
                                                              "{name} {host} {address} {target} {contact}");
            }
            filled += known->second;
            text.remove_prefix(close + 1);
        }
    }

  private:
    std::map<std::string, std::string, std::less<>> values_;
};

class TargetReader {
  public:
    TargetReader(Section& section, TargetConfig& target, const Variables& variables)
        : section_(section), target_(target), variables_(variables) {}

    void read_ownership() {
        deployers::Parameters& p = target_.parameters;
        p.target = target_.name;
        p.owner = section_.text("owner").value_or(p.owner);
        p.group = section_.text("group").value_or(p.group);
        p.mode = section_.mode("mode").value_or(p.mode);
        p.cert_mode = section_.mode("cert_mode").value_or(p.cert_mode);
        check_key_mode("mode", p.mode);
    }

    void read_paths(const deployers::ServiceDefaults& defaults) {
        deployers::Parameters& p = target_.parameters;
        p.include = filled_path("include");
        p.versions = filled_path("versions");
        for (const deployers::Form form : kForms) read_form(form);
        section_.not_built({"pkcs12", "jks"});
        if (p.include.empty() != p.versions.empty()) {
            section_.wrong_here(
                "\"include\" and \"versions\" belong together: the include file names one version below the "
                "directory",
                Code::ConfigMissing);
        } else if (!p.include.empty() && !p.paths.empty()) {
            section_.wrong_here("has \"include\" and fixed paths; take one of the two", Code::ConfigConflict);
        } else if (!p.include.empty() && !defaults.has_include) {
            section_.wrong("include", "cannot be used with deployer \"" + target_.deployer +
                                          "\"; give fixed paths: fullchain and key");
        } else if (p.include.empty() && p.paths.empty()) {
            section_.wrong_here(std::string("says nowhere to write to; give ") +
                                    (defaults.has_include ? "include and versions, or " : "") +
                                    "fixed paths: fullchain and key, or combined",
                                Code::ConfigMissing);
        }
    }

    void read_commands(const deployers::ServiceDefaults& defaults) {
        deployers::Parameters& p = target_.parameters;
        p.test = filled_argv("test", defaults.test);
        p.reload = filled_argv("reload", defaults.reload);
        p.restart = filled_argv("restart", defaults.restart);
    }

    void read_endpoints(const deployers::ServiceDefaults& defaults, const CertificateConfig& certificate,
                        const HostConfig* host) {
        const toml::node* node = section_.node("endpoints");
        const bool is_auto = node == nullptr || node->value_exact<std::string>() == std::string("auto");
        if (!is_auto) {
            for (const std::string& text : section_.texts("endpoints").value_or(std::vector<std::string>{})) {
                add_endpoint(text);
            }
        } else if (defaults.ports.empty()) {
            section_.wrong(node == nullptr ? "deployer" : "endpoints",
                           "\"" + target_.deployer +
                               "\" has no usual ports: list its endpoints, such as "
                               "endpoints = [\"https://www.example.com\"]; [] means nobody looks",
                           node == nullptr ? Code::ConfigMissing : Code::ConfigWrongValue);
        } else {
            for (const base::Identifier& name : certificate.names) {
                for (const int port : defaults.ports)
                    target_.endpoints.push_back(usual_endpoint(name, port, host));
            }
        }
    }

  private:
    std::string filled(std::string_view key, const std::string& text) {
        auto value = variables_.fill(text);
        if (value) return *value;
        section_.wrong(key, value.error().message);
        return {};
    }

    std::string filled_path(std::string_view key) {
        const auto path = section_.path(key);
        return path ? filled(key, *path) : std::string{};
    }

    std::vector<std::string> filled_argv(std::string_view key, const std::vector<std::string>& builtin) {
        auto words = section_.argv(key);
        if (!words) return builtin;
        for (std::string& word : *words) word = filled(key, word);
        return *words;
    }

    void check_key_mode(std::string_view key, int mode) {
        if ((mode & 0007) == 0) return;
        std::array<char, 16> octal{};
        std::snprintf(octal.data(), octal.size(), "%04o", static_cast<unsigned>(mode));
        section_.wrong(key, "\"" + std::string(octal.data()) +
                                "\" would let others read a private key; accepted: nothing for others, such "
                                "as \"0600\" or \"0640\"");
    }

    /// A path, or a table { path, owner, group, mode, order }.
    void read_form(deployers::Form form) {
        const std::string key(deployers::to_string(form));
        const toml::node* node = section_.node(key);
        if (node == nullptr) return;
        deployers::FixedPath fixed{.form = form};
        if (const toml::table* table = node->as_table()) {
            Section detail(*table, "\"" + key + "\" of " + section_.what(), section_.problems());
            fixed.path = filled(key, detail.path("path").value_or(""));
            if (fixed.path.empty()) detail.wrong_here("\"path\" is missing", Code::ConfigMissing);
            fixed.owner = detail.text("owner");
            fixed.group = detail.text("group");
            fixed.mode = detail.mode("mode");
            if (form == deployers::Form::Combined) {
                const std::string order = detail.text("order").value_or("key-last");
                fixed.key_first = order == "key-first";
                if (order != "key-first" && order != "key-last")
                    detail.wrong("order", R"(accepted: "key-first", "key-last")");
            }
            detail.finish();
        } else {
            fixed.path = filled_path(key);
        }
        if (holds_key(form) && fixed.mode) check_key_mode(key, *fixed.mode);
        if (!fixed.path.empty()) target_.parameters.paths.push_back(std::move(fixed));
    }

    void add_endpoint(const std::string& text) {
        auto endpoint = deployers::parse_endpoint(filled("endpoints", text));
        if (endpoint) {
            target_.endpoints.push_back(std::move(*endpoint));
        } else {
            section_.wrong("endpoints", endpoint.error().message, endpoint.error().code);
        }
    }

    /// Where the service of this host usually answers for `name`: at the host's own address.
    static deployers::Endpoint usual_endpoint(const base::Identifier& name, int port,
                                              const HostConfig* host) {
        deployers::Endpoint endpoint{.port = port};
        const std::string own =
            host == nullptr ? "127.0.0.1" : (host->address.empty() ? host->host : host->address);
        const bool is_address = !base::address_bytes(own).empty();
        if (name.type == base::IdentifierType::Dns) {
            endpoint.sni = name.is_wildcard() ? "any" + name.value.substr(1) : name.value;
        }
        endpoint.host = is_address && !endpoint.sni.empty() ? endpoint.sni : own;
        if (is_address) endpoint.address = own;
        endpoint.text = deployers::to_string(endpoint);
        return endpoint;
    }

    Section& section_;
    TargetConfig& target_;
    const Variables& variables_;
};

const deployers::Deployer* read_deployer(Section& section, TargetConfig& target) {
    target.deployer = section.text("deployer").value_or("");
    const deployers::Deployer* deployer = deployers::find_deployer(target.deployer);
    if (deployer != nullptr) return deployer;
    std::string known;
    for (const std::string_view name : deployers::deployer_names()) {
        known += (known.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    }
    constexpr std::array<std::string_view, 5> kLater{"apache", "haproxy", "postfix", "dovecot", "command"};
    if (target.deployer.empty()) {
        section.wrong_here("\"deployer\" is missing; accepted: " + known, Code::ConfigMissing);
    } else if (std::ranges::find(kLater, target.deployer) != std::end(kLater)) {
        section.wrong(
            "deployer",
            "\"" + target.deployer + "\" is not built yet in renewd " RENEWD_VERSION "; accepted: " + known,
            Code::ConfigNotBuilt);
    } else {
        section.wrong("deployer", "there is no deployer \"" + base::printable(target.deployer, 80) +
                                      "\"; accepted: " + known);
    }
    return nullptr;
}

/// The host a target names: one of [host.X], or "ssh://user@host:port" in place of a name.
const HostConfig* read_host(Section& section, TargetConfig& target, const Config& config,
                            HostConfig& made_up) {
    const std::string name = section.text("host").value_or("");
    if (name.empty()) return nullptr;
    if (const auto known = config.hosts.find(name); known != config.hosts.end()) {
        target.host = name;
        return &known->second;
    }
    if (!name.starts_with("ssh://")) {
        section.wrong("host", "there is no [host." + base::printable(name, 80) +
                                  R"(]; name one, or write "ssh://user@host")");
        return nullptr;
    }
    auto destination = parse_ssh_destination(name);
    if (!destination) {
        section.wrong("host", destination.error().message);
        return nullptr;
    }
    made_up = std::move(*destination);
    made_up.name = name;
    target.host = name;
    return &made_up;
}

}  // namespace

std::vector<std::string> paths_of(const TargetConfig& target) {
    std::vector<std::string> paths;
    paths.reserve(target.parameters.paths.size() + 2);
    for (const deployers::FixedPath& fixed : target.parameters.paths) paths.push_back(fixed.path);
    if (!target.parameters.include.empty()) paths.push_back(target.parameters.include);
    if (!target.parameters.versions.empty()) paths.push_back(target.parameters.versions);
    return paths;
}

void check_target_defaults(const toml::table& table, const Config& config, Problems& problems) {
    // Read as if it were a target: what it lacks does not matter, what no target knows does.
    toml::table with_deployer = table;
    if (!table.contains("deployer")) with_deployer.insert("deployer", "files");
    Problems as_target;
    (void)read_target(with_deployer, nullptr, CertificateConfig{.name = "[defaults.target]"}, config,
                      as_target);
    for (base::Error& error : std::move(as_target).take()) {
        if (error.code == Code::ConfigUnknownKey) problems.add(std::move(error));
    }
}

std::optional<TargetConfig> read_target(const toml::table& table, const toml::table* defaults,
                                        const CertificateConfig& certificate, const Config& config,
                                        Problems& problems) {
    const auto written = table["name"].value<std::string>();
    Section section(table,
                    "target " + (written ? base::printable(*written, 80) + " " : std::string()) +
                        "of certificate \"" + certificate.name + "\"",
                    problems, defaults);
    TargetConfig target;
    target.name = section.text("name").value_or("");
    if (target.name.empty()) {
        section.wrong_here("\"name\" is missing: what status and messages call it", Code::ConfigMissing);
    } else if (auto valid = check_plain_name(target.name); !valid) {
        section.wrong("name", valid.error().message);
    }
    const deployers::Deployer* deployer = read_deployer(section, target);
    if (deployer == nullptr) return std::nullopt;
    HostConfig made_up;
    const HostConfig* host = read_host(section, target, config, made_up);
    const Variables variables(certificate, target, host);
    const deployers::ServiceDefaults service = deployer->defaults();
    TargetReader reader(section, target, variables);
    reader.read_ownership();
    reader.read_paths(service);
    reader.read_commands(service);
    reader.read_endpoints(service, certificate, host);
    target.roots = section.path("roots").value_or("");
    target.verify_for = section.parsed("verify_for", parse_duration).value_or(target.verify_for);
    if (target.verify_for > deployers::kVerifyForMax) {
        section.wrong("verify_for",
                      "is longer than what was there before can be kept ready; accepted: up to \"" +
                          std::to_string(deployers::kVerifyForMax.count() / 60) + "m\"");
    }
    if (section.text("placeholder").value_or("none") != "none") {
        section.wrong("placeholder", "only \"none\" is built yet in renewd " RENEWD_VERSION,
                      Code::ConfigNotBuilt);
    }
    section.not_built({"services", "hosts", "environment"});
    section.finish();
    return target;
}

}  // namespace agent
