// SPDX-License-Identifier: Apache-2.0
// What the tests of providers that run programs have in common: real programs in a directory of their own,
// which write down how they were called.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "acme/solvers/dns/program_kinds.hpp"
#include "base/clock.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace programs {

inline const std::string kValue =
    "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ";  // RFC 8555 has none; any SHA-256
inline const std::string kToken = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";       // RFC 8555 §8.3
inline const std::string kThumbprint = "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s";  // RFC 8555 §8.1

inline acme::TxtRecord record(const std::string& name = "www.example.com") {
    const std::string base = name.starts_with("*.") ? name.substr(2) : name;
    return {
        .name = "_acme-challenge." + base + ".",
        .value = kValue,
        .zone = "example.com.",
        .ttl = 60,
        .task = {
            .identifier = {.value = name}, .token = kToken, .key_authorization = kToken + "." + kThumbprint}};
}

/// Programs need nothing of the world but themselves: neither of these is touched.
class NoTransport final : public base::Transport {
    base::Result<base::HttpResponse> exchange(const base::HttpRequest&) override {
        return base::fail(base::Code::InternalUnexpected, "a program's provider has sent a request");
    }
};

union NoDns {
    NoDns() {}  // NOLINT(modernize-use-equals-default): there is no Dns in it

    ~NoDns() {}  // NOLINT(modernize-use-equals-default)

    NoDns(const NoDns&) = delete;
    NoDns& operator=(const NoDns&) = delete;
    base::Dns dns;
};

class Stage {
  public:
    /// A shell script below the directory.
    [[nodiscard]] std::string add(const std::string& name, const std::string& script,
                                  mode_t mode = 0755) const {
        const std::string path = directory_ / name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        return path;
    }

    /// One that adds each call's arguments to `log`, a line each and a blank one after them, keeps its
    /// environment in `env`, and then goes on with `script`.
    [[nodiscard]] std::string add_recorder(const std::string& name, const std::string& script = "") const {
        return add(name, "{ printf '%s\\n' \"$@\"; echo; } >> '" + path() + "/log'\n" +
                             "tr '\\0' '\\n' < /proc/$$/environ | sort > '" + path() + "/env'\n" + script);
    }

    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(directory_ / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    /// The recorded environment without the fixed part.
    [[nodiscard]] std::set<std::string> environment() const {
        std::set<std::string> variables;
        std::ifstream file(directory_ / "env");
        for (std::string line; std::getline(file, line);)
            if (!line.starts_with("PATH=") && line != "LANG=C.UTF-8") variables.insert(line);
        return variables;
    }

    [[nodiscard]] base::Result<std::unique_ptr<acme::DnsProvider>> make(
        const acme::ProviderKind& kind, const acme::ProviderSettings& settings) const {
        return kind.make(
            settings,
            {.transport = transport_, .dns = dns_.dns, .clock = clock_, .plugin_path = {directory_.path()}});
    }

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

    [[nodiscard]] std::string operator/(const std::string& name) const { return directory_ / name; }

  private:
    tests::TemporaryDirectory directory_;
    mutable NoTransport transport_;
    NoDns dns_;
    mutable base::SystemClock clock_;
};

std::string code_of(const auto& result) {
    return result ? "" : std::string(base::to_string(result.error().code));
}

std::string message_of(const auto& result) {
    return result ? "" : result.error().message;
}

inline bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace programs
