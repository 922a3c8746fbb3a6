// SPDX-License-Identifier: Apache-2.0
// The files of a configuration, as texts: the main one, and conf.d beside it.
#include <filesystem>

#include "agent/config/config.hpp"
#include "base/file.hpp"

namespace agent {

using base::Code;

base::Result<ConfigText> load_config_text(const std::string& path) {
    constexpr std::size_t kFileSizeMax = 16'777'216;
    base::SystemFiles files;
    std::error_code none;
    const auto real = std::filesystem::canonical(path, none);
    return ConfigText{.path = path,
                      .text = TRY(base::read_file(files, none ? path : real.string(), kFileSizeMax))};
}

base::Error as_one(const std::vector<base::Error>& problems) {
    base::Error error = problems.front();
    if (problems.size() > 1) error.message += " (and " + std::to_string(problems.size() - 1) + " more)";
    return error;
}

tl::expected<ConfigFiles, std::vector<base::Error>> load_config_files(const std::string& file) {
    base::SystemFiles files;
    ConfigFiles loaded{.main = file};
    std::vector<base::Error> errors;
    const auto take = [&](const std::string& path, std::string_view advice) {
        auto text = load_config_text(path);
        if (text) {
            loaded.texts.push_back(std::move(*text));
            return;
        }
        const bool is_missing = text.error().code == Code::FileNotFound;
        errors.push_back({.code = Code::ConfigUnreadable,
                          .message = text.error().message + std::string(is_missing ? advice : "")});
    };
    take(file, "; write one (README.md shows a first one), or name another with --config FILE");
    const std::string directory = base::directory_of(file) + "/conf.d";
    const auto names = files.list(directory);
    if (!names && names.error().code != Code::FileNotFound)
        errors.push_back({.code = Code::ConfigUnreadable, .message = names.error().message});
    for (const std::string& name : names.value_or(std::vector<std::string>{})) {
        if (name.size() > 5 && name.ends_with(".toml") && name.front() != '.')
            take(directory + "/" + name, "");
    }
    if (!errors.empty()) return tl::make_unexpected(std::move(errors));
    return loaded;
}

}  // namespace agent
