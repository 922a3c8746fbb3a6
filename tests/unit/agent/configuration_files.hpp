// SPDX-License-Identifier: Apache-2.0
// Configuration files of a test's own, and what renewd has to say about them.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "agent/config/config.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace tests {

inline constexpr const char* kGround = R"(
[ca.test]
directory = "https://ca.test/dir"
[solver.web]
type = "http-01"
listen = "*:80"
[defaults]
ca = "test"
)";

/// A main file and conf.d, read as renewd reads them.
class ConfigurationFiles {
  public:
    void write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        const std::string path = directory_ / name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path) << text;
        REQUIRE(::chmod(path.c_str(), mode) == 0);
    }

    [[nodiscard]] auto read() const { return agent::read_config(directory_ / "renewd.toml"); }

    /// All messages, one a line, without the directory.
    [[nodiscard]] std::string problems() const {
        const auto config = read();
        if (config) return "";
        std::string text;
        for (const base::Error& error : config.error())
            text += "[" + std::string(base::to_string(error.code)) + "] " + error.message + "\n";
        for (std::size_t at = 0; (at = text.find(directory_.path() + "/", at)) != std::string::npos;) {
            text.erase(at, directory_.path().size() + 1);
        }
        return text;
    }

    [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

  private:
    TemporaryDirectory directory_;
};

/// The problems of a main file with the ground above and `text` below it.
inline std::string problems_of(const std::string& text) {
    const ConfigurationFiles files;
    files.write("renewd.toml", kGround + text);
    return files.problems();
}

}  // namespace tests
