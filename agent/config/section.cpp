// SPDX-License-Identifier: Apache-2.0
#include "agent/config/section.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace agent {

namespace {

std::string place(const toml::source_region& where) {
    std::string file = where.path ? *where.path : std::string("configuration");
    if (where.begin.line == 0) return file;
    return file + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column);
}

std::string_view describe(toml::node_type type) {
    switch (type) {
        case toml::node_type::none:
            return "nothing";
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "a list";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "a whole number";
        case toml::node_type::floating_point:
            return "a number";
        case toml::node_type::boolean:
            return "true or false";
        case toml::node_type::date:
        case toml::node_type::time:
        case toml::node_type::date_time:
            return "a date or time";
    }
    return "something else";
}

}  // namespace

void Problems::add(base::Code code, const toml::source_region& where, const std::string& text) {
    errors_.push_back({.code = code, .message = place(where) + ": " + text});
}

void Problems::add(base::Code code, const std::string& text) {
    errors_.push_back({.code = code, .message = text});
}

const toml::node* Section::find(std::string_view key) {
    known_.emplace(key);
    if (const toml::node* own = table_.get(key)) return own;
    return fallback_ != nullptr ? fallback_->get(key) : nullptr;
}

bool Section::has(std::string_view key) {
    return find(key) != nullptr;
}

const toml::node* Section::node(std::string_view key) {
    return find(key);
}

void Section::expected(std::string_view key, const toml::node& found, std::string_view wanted) {
    wrong(key, std::string("needs ") + std::string(wanted) + ", not " + std::string(describe(found.type())));
}

std::optional<std::string> Section::text(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) return std::nullopt;
    if (auto value = found->value_exact<std::string>()) {
        const bool has_control = std::any_of(value->begin(), value->end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        });
        if (!has_control) return value;
        wrong(key, "holds a control character or a line break");
        return std::nullopt;
    }
    expected(key, *found, "a string");
    return std::nullopt;
}

std::optional<bool> Section::flag(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) return std::nullopt;
    if (const auto value = found->value_exact<bool>()) return value;
    expected(key, *found, "true or false");
    return std::nullopt;
}

std::optional<std::int64_t> Section::number(std::string_view key, std::int64_t least, std::int64_t most) {
    const toml::node* found = find(key);
    if (found == nullptr) return std::nullopt;
    const auto value = found->value_exact<std::int64_t>();
    if (!value) {
        expected(key, *found, "a whole number");
        return std::nullopt;
    }
    if (*value >= least && *value <= most) return value;
    wrong(key, std::to_string(*value) + " is out of range; accepted: " + std::to_string(least) + " to " +
                   std::to_string(most));
    return std::nullopt;
}

std::optional<std::vector<std::string>> Section::texts(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) return std::nullopt;
    if (found->is_string()) {
        auto one = text(key);
        if (!one) return std::nullopt;
        return std::vector<std::string>{std::move(*one)};
    }
    const toml::array* list = found->as_array();
    if (list == nullptr) {
        expected(key, *found, "a string or a list of strings");
        return std::nullopt;
    }
    std::vector<std::string> values;
    for (const toml::node& item : *list) {
        const auto value = item.value_exact<std::string>();
        if (!value || value->find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos) {
            problems_.add(
                base::Code::ConfigWrongValue, item.source(),
                "every item of \"" + std::string(key) + "\" in " + what_ + " must be a string of one line");
            return std::nullopt;
        }
        values.push_back(*value);
    }
    return values;
}

std::optional<std::vector<std::string>> Section::argv(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) return std::nullopt;
    if (!found->is_array()) {
        expected(key, *found,
                 R"(a program and its arguments as a list, such as ["systemctl", "reload", "nginx"])");
        return std::nullopt;
    }
    auto words = texts(key);
    if (words && !words->empty() && words->front().empty()) {
        wrong(key, "begins with an empty string; the first item is the program");
        return std::nullopt;
    }
    return words;
}

std::optional<std::string> Section::path(std::string_view key) {
    auto value = text(key);
    if (!value || value->empty()) return value;
    if (value->front() != '/') {
        wrong(key, "\"" + base::printable(*value) + "\" must be an absolute path, beginning with /");
        return std::nullopt;
    }
    if ((*value + "/").find("/../") != std::string::npos) {
        wrong(key, "\"" + base::printable(*value) + R"(" must not contain "..")");
        return std::nullopt;
    }
    return value;
}

std::optional<int> Section::mode(std::string_view key) {
    auto value = text(key);
    if (!value) return std::nullopt;
    const auto bits = base::parse_number<unsigned>(*value, 8);
    if (bits && *bits <= 0777) return static_cast<int>(*bits);
    wrong(key,
          "\"" + base::printable(*value) + R"(" is no file mode; accepted: octal digits such as "0640")");
    return std::nullopt;
}

const toml::table* Section::table(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) return nullptr;
    if (const toml::table* value = found->as_table()) return value;
    expected(key, *found, "a table");
    return nullptr;
}

void Section::not_built(std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
        if (find(key) == nullptr) continue;
        wrong(key, "is not built yet in renewd " RENEWD_VERSION, base::Code::ConfigNotBuilt);
    }
}

void Section::wrong(std::string_view key, const std::string& text, base::Code code) {
    const toml::node* found = find(key);
    problems_.add(code, found != nullptr ? found->source() : table_.source(),
                  "\"" + std::string(key) + "\" in " + what_ + ": " + text);
}

void Section::wrong_here(const std::string& text, base::Code code) {
    problems_.add(code, table_.source(), what_ + ": " + text);
}

void Section::finish() {
    for (const auto& [key, value] : table_) {
        if (known_.contains(key.str())) continue;
        std::string text = "unknown key \"" + base::printable(key.str(), 80) + "\" in " + what_;
        const std::string meant = nearest(key.str(), known_);
        if (!meant.empty()) {
            text += "; did you mean \"" + meant + "\"?";
        } else {
            text += "; known: ";
            for (const std::string& known : known_) text += (known == *known_.begin() ? "" : ", ") + known;
        }
        problems_.add(base::Code::ConfigUnknownKey, key.source(), text);
    }
}

}  // namespace agent
