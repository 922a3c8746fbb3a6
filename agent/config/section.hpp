// SPDX-License-Identifier: Apache-2.0
// One table of the configuration while it is read: hands out checked values, remembers which keys were asked
// for, and reports every other key as unknown, with its place and its likely meaning. All problems are
// collected.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "agent/config/config.hpp"
#include "agent/config/nearest.hpp"
#include "base/error.hpp"
#include "base/secret_source.hpp"

namespace agent {

/// Where problems go; shared by all sections of one reading.
class Problems {
  public:
    void add(base::Code code, const toml::source_region& where, const std::string& text);
    void add(base::Code code, const std::string& text);

    void add(base::Error error) { errors_.push_back(std::move(error)); }

    [[nodiscard]] bool empty() const { return errors_.empty(); }

    [[nodiscard]] std::vector<base::Error> take() && { return std::move(errors_); }

  private:
    std::vector<base::Error> errors_;
};

class Section {
  public:
    /// `what` names the table in messages ("target web of certificate \"example.com\""). A key missing from
    /// `table` is looked up in `fallback` (may be nullptr), whose unknown keys are not reported here.
    Section(const toml::table& table, std::string what, Problems& problems,
            const toml::table* fallback = nullptr)
        : table_(table), fallback_(fallback), what_(std::move(what)), problems_(problems) {}

    [[nodiscard]] bool has(std::string_view key);
    [[nodiscard]] std::optional<std::string> text(std::string_view key);
    [[nodiscard]] std::optional<bool> flag(std::string_view key);
    [[nodiscard]] std::optional<std::int64_t> number(std::string_view key, std::int64_t least,
                                                     std::int64_t most);
    /// A string or a list of strings.
    [[nodiscard]] std::optional<std::vector<std::string>> texts(std::string_view key);
    /// A program and its arguments: a list of strings, never a shell line.
    [[nodiscard]] std::optional<std::vector<std::string>> argv(std::string_view key);
    /// An absolute path.
    [[nodiscard]] std::optional<std::string> path(std::string_view key);
    /// "0640" and the like.
    [[nodiscard]] std::optional<int> mode(std::string_view key);
    /// Where the secret KEY comes from: one of KEY_file, KEY_credential, KEY_env and KEY_command. A plain
    /// KEY, two of them at once, a file that is not there or that others can read are problems; the secret
    /// itself is not read. Of a table in the table, its own Section asks.
    [[nodiscard]] std::optional<base::SecretSource> secret(std::string_view key);
    [[nodiscard]] const toml::table* table(std::string_view key);
    [[nodiscard]] const toml::node* node(std::string_view key);

    /// A string that `parse` (returning Result) must accept.
    template <class Parse>
    auto parsed(std::string_view key, Parse parse)
        -> std::optional<typename decltype(parse(std::string_view{}))::value_type> {
        auto raw = text(key);
        if (!raw) return std::nullopt;
        auto value = parse(std::string_view(*raw));
        if (value) return std::move(*value);
        const base::Error& error = value.error();
        wrong(key, error.message + (error.hint.empty() ? "" : "; accepted: " + error.hint), error.code);
        return std::nullopt;
    }

    /// Keys of the interface that this version does not have yet: said so, instead of "unknown".
    void not_built(std::initializer_list<std::string_view> keys);
    /// A problem at a key's value (or at the table, where the key is missing).
    void wrong(std::string_view key, const std::string& text, base::Code code = base::Code::ConfigWrongValue);
    /// A problem with the table as a whole.
    void wrong_here(const std::string& text, base::Code code);
    /// Reports every key that nobody asked for.
    void finish();

    [[nodiscard]] const std::string& what() const { return what_; }

    [[nodiscard]] const toml::source_region& where() const { return table_.source(); }

    [[nodiscard]] Problems& problems() { return problems_; }

  private:
    const toml::node* find(std::string_view key);
    void expected(std::string_view key, const toml::node& found, std::string_view wanted);
    std::optional<base::SecretSource> read_source(const std::string& key, base::SecretSource::Kind kind);

    const toml::table& table_;
    const toml::table* fallback_;
    std::string what_;
    Problems& problems_;
    std::set<std::string, std::less<>> known_;
};

}  // namespace agent
