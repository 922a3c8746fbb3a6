// SPDX-License-Identifier: Apache-2.0
// Files for whatever reads them: nothing is tested, reloaded or looked at unless the configuration says how.
#include "deployers/services/layouts.hpp"
#include "deployers/services/services.hpp"

namespace deployers {

namespace {

class Files final : public Deployer {
  public:
    [[nodiscard]] std::string_view name() const override { return "files"; }

    [[nodiscard]] ServiceDefaults defaults() const override { return {}; }

    [[nodiscard]] base::Result<Installation> plan(const Generation& generation,
                                                  const std::vector<Generation>& earlier,
                                                  const Parameters& parameters) const override {
        if (!parameters.include.empty() || !parameters.versions.empty()) {
            return base::fail(
                base::Code::ConfigWrongValue,
                "target " + parameters.target + ": \"files\" does not know how an include file would look",
                "set fixed paths (fullchain, key, …), or the deployer of the service");
        }
        return plan_fixed_paths(generation, earlier, parameters);
    }
};

}  // namespace

const Deployer& files_deployer() {
    static const Files deployer;
    return deployer;
}

}  // namespace deployers
