// SPDX-License-Identifier: Apache-2.0
// Knows how to put a generation on one kind of target: a pure function from generation and parameters to an
// installation. Adding a deployer means adding one of these to services/ and to the table in deployer.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "deployers/generation.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// What a file at a fixed path holds.
enum class Form { Fullchain, Key, Chain, Cert, Combined };

/// The configuration key of a form ("fullchain", "key", …).
[[nodiscard]] std::string_view to_string(Form form);

struct FixedPath {
    Form form = Form::Fullchain;
    std::string path{};
    std::optional<std::string> owner{}, group{};  // default: the target's
    std::optional<int> mode{};
    bool key_first = false;  // of Combined
};

/// A target's own keys, variables already filled in, defaults of the service already applied.
struct Parameters {
    std::string target{};   // its name
    std::string include{};  // both or neither
    std::string versions{};
    std::vector<FixedPath> paths{};  // or these
    std::string owner{"root"}, group{"root"};
    int mode = 0600;       // of files that hold a key
    int cert_mode = 0644;  // of the others
    std::vector<std::string> test{}, reload{}, restart{};
};

/// The first of a target's keys that would put the private key on the host ("key", "combined", "include");
/// empty if none does.
[[nodiscard]] std::string_view key_with_private_key(const Parameters& parameters);

/// What a service brings with it where the configuration is silent.
struct ServiceDefaults {
    std::vector<std::string> test{}, reload{}, restart{};
    std::vector<int> ports{};  // "auto" endpoints; none: a list is required
    bool has_include = false;  // can be configured by an include file
};

class Deployer {
  public:
    virtual ~Deployer() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    [[nodiscard]] virtual ServiceDefaults defaults() const = 0;
    /// What `generation` needs on the host. `earlier` are the generations that may be there now. Pure.
    /// deploy/unsafe-path, config/wrong-value.
    [[nodiscard]] virtual base::Result<Installation> plan(const Generation& generation,
                                                          const std::vector<Generation>& earlier,
                                                          const Parameters& parameters) const = 0;
};

/// The deployer of this name; nullptr if there is none. Lives for ever.
[[nodiscard]] const Deployer* find_deployer(std::string_view name);
/// All names, sorted.
[[nodiscard]] std::vector<std::string_view> deployer_names();

}  // namespace deployers
