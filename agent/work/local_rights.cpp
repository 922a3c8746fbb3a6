// SPDX-License-Identifier: Apache-2.0
#include "agent/work/local_rights.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

#include <unistd.h>

#include "base/encoding.hpp"
#include "deployers/hosts/helper.hpp"
#include "deployers/hosts/local.hpp"

namespace agent {

namespace {

using base::Code;
using base::Result;

constexpr std::string_view kSetHelper = R"(set agent.helper = "/run/renewd/apply.sock" (docs/security.md))";
constexpr std::size_t kNamedMax = 5;  // of many targets, in one remark

std::string who_we_are() {
    return "user " + std::to_string(::geteuid());
}

/// A pair that is nobody's, for questions about what would be done with a real one.
Result<deployers::Generation> throwaway(const CertificateConfig& certificate) {
    const base::PrivateKey key = TRY(base::PrivateKey::generate(base::KeyType::EcdsaP256));
    const base::Certificate leaf =
        TRY(base::self_sign(key, {{.type = base::IdentifierType::Dns, .value = "throwaway.invalid"}},
                            base::Instant{}, base::Instant{} + std::chrono::days(1)));
    deployers::Generation generation{
        .certificate = certificate.name, .number = 1, .names = certificate.names, .chain = {leaf}};
    if (certificate.request) {
        generation.request_key = base::sha256_hex(leaf.public_key_der());
    } else {
        generation.key_pem = TRY(key.to_pem());
    }
    return generation;
}

/// Where our user may not write. What was looked at once is remembered: many targets share a directory.
class Directories {
  public:
    /// The first directory of a target's that cannot be written; empty if there is none.
    std::string first_unwritable(const TargetConfig& target) {
        for (const std::string& path : paths_of(target)) {
            std::string directory = unwritable(base::directory_of(path));
            if (!directory.empty()) return directory;
        }
        return {};
    }

  private:
    /// The nearest directory that is there counts; where it may not be written, it is named.
    std::string unwritable(std::string directory) {
        if (const auto known = seen_.find(directory); known != seen_.end()) return known->second;
        const std::string asked = directory;
        while (directory.size() > 1 && !base::exists(files_, directory))
            directory = base::directory_of(directory);
        const bool may = ::access(directory.c_str(), W_OK | X_OK) == 0;
        return seen_.emplace(asked, may ? std::string() : directory).first->second;
    }

    base::SystemFiles files_{};
    std::map<std::string, std::string> seen_{};
};

/// Why nothing can be deployed on this machine through the helper; empty where it can, or nothing is to be.
std::string helper_remark(const Config& config) {
    const auto is_here = [](const TargetConfig& target) { return target.host.empty(); };
    const bool has_work = std::ranges::any_of(config.certificates, [&](const auto& one) {
        return std::ranges::any_of(one.second.targets, is_here);
    });
    if (!has_work) return {};
    const auto greeted = deployers::greet_helper(config.agent.helper);
    if (greeted) return {};
    const base::Error& error = greeted.error();
    return "nothing can be deployed on this machine for now: " + error.message +
           (error.hint.empty() ? "" : ";  " + error.hint);
}

/// Those that may be for want of rights: writing, and commands of a service.
bool may_be_for_want_of_rights(Code code) {
    return code == Code::DeployWriteFailed || code == Code::DeployServiceBroken ||
           code == Code::DeployTestFailed || code == Code::DeployReloadFailed ||
           code == Code::DeployNotRunning;
}

}  // namespace

bool uses_helper(const Config& config) {
    return !config.agent.helper.empty() && ::geteuid() != 0;
}

std::unique_ptr<deployers::Host> make_this_machine(const Config& config, base::Files& files) {
    if (uses_helper(config)) return deployers::make_helper_host(config.agent.helper);
    // Below the state, not in /tmp: the agent has a /tmp of its own, and commands by hand become the owner of
    // the state. Both see these.
    return deployers::make_local_host(files, {}, config.agent.state_dir + "/locks");
}

Result<std::string> may_deploy_here(const Config& config, const CertificateConfig& certificate,
                                    const TargetConfig& target) {
    if (::geteuid() == 0) return std::string();
    if (!uses_helper(config)) {
        const std::string directory = Directories().first_unwritable(target);
        if (directory.empty()) return std::string();
        return base::fail(Code::DeployWriteFailed,
                          directory + " cannot be written by " + who_we_are() +
                              ", as whom this runs, and there is no root helper",
                          std::string(kSetHelper));
    }
    const deployers::Generation generation = TRY(throwaway(certificate));
    const deployers::Installation installation =
        TRY(deployers::find_deployer(target.deployer)->plan(generation, {}, target.parameters));
    const std::size_t rules = TRY(deployers::ask_helper(config.agent.helper, installation));
    return "the root helper allows it; its list has " + std::to_string(rules) +
           (rules == 1 ? " line" : " lines");
}

base::Error with_rights_explained(const Config& config, const TargetConfig& target, base::Error error) {
    // What the helper's list allows, its unit may not: /etc is read-only there but for well-known
    // directories.
    const bool is_sandbox = target.host.empty() && uses_helper(config) &&
                            error.code == Code::DeployWriteFailed &&
                            error.message.find(base::errno_text(EROFS)) != std::string::npos;
    if (is_sandbox)
        error.hint =
            "systemctl edit renewd-apply@.service, and add ReadWritePaths= with the directory below "
            "[Service]; " +
            error.hint;
    const bool is_ours =
        target.host.empty() && config.agent.helper.empty() && may_be_for_want_of_rights(error.code);
    if (!is_ours || ::geteuid() == 0) return error;
    error.hint += (error.hint.empty() ? "" : "; ") + std::string("this runs as ") + who_we_are() +
                  ": for what only root may do here, " + std::string(kSetHelper);
    return error;
}

std::string rights_remark(const Config& config) {
    if (::geteuid() == 0) return {};
    if (uses_helper(config)) return helper_remark(config);
    Directories directories;
    std::string named;
    std::size_t count = 0;
    for (const auto& [name, certificate] : config.certificates) {
        for (const TargetConfig& target : certificate.targets) {
            if (!target.host.empty()) continue;
            const std::string directory = directories.first_unwritable(target);
            if (directory.empty() || ++count > kNamedMax) continue;
            named += (named.empty() ? "" : ", ") + name + " on " + target.name + " (" + directory + ")";
        }
    }
    if (count == 0) return {};
    if (count > kNamedMax) named += ", and " + std::to_string(count - kNamedMax) + " more";
    return "without root and without a root helper, " + who_we_are() + " cannot deploy " + named + "; " +
           std::string(kSetHelper);
}

}  // namespace agent
