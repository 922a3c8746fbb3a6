// SPDX-License-Identifier: Apache-2.0
// Reads a shape and remembers whether anything in it was not as written: one check at the end instead of one
// a field.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.hpp"

namespace agent {

class JsonReader {
  public:
    [[nodiscard]] bool ok() const { return ok_; }

    template <class T>
    T value(const nlohmann::json& object, const char* key) {
        const auto found = object.find(key);
        if (found != object.end()) {
            if constexpr (std::is_same_v<T, std::string>) {
                if (found->is_string()) return found->template get<std::string>();
            } else if constexpr (std::is_same_v<T, bool>) {
                if (found->is_boolean()) return found->template get<bool>();
            } else {
                if (found->is_number_integer()) return found->template get<T>();
            }
        }
        ok_ = false;
        return {};
    }

    std::optional<base::Instant> instant(const nlohmann::json& object, const char* key) {
        const auto found = object.find(key);
        if (found != object.end() && found->is_null()) return std::nullopt;
        auto parsed = found != object.end() && found->is_string()
                          ? base::parse_instant(found->get_ref<const std::string&>())
                          : std::nullopt;
        if (!parsed) ok_ = false;
        return parsed;
    }

    base::Instant required_instant(const nlohmann::json& object, const char* key) {
        const auto parsed = instant(object, key);
        if (!parsed) ok_ = false;
        return parsed.value_or(base::Instant{});
    }

    /// For what records of earlier versions do not have.
    std::string later_text(const nlohmann::json& object, const char* key) {
        return object.contains(key) ? value<std::string>(object, key) : std::string{};
    }

    template <class T, class Parse>
    std::vector<T> list(const nlohmann::json& object, const char* key, Parse parse) {
        std::vector<T> values;
        const auto found = object.find(key);
        if (found == object.end() || !found->is_array()) {
            ok_ = false;
            return values;
        }
        for (const nlohmann::json& item : *found) values.push_back(parse(*this, item));
        return values;
    }

    template <class T, class Parse>
    std::optional<T> optional(const nlohmann::json& object, const char* key, Parse parse) {
        const auto found = object.find(key);
        if (found == object.end() || found->is_null()) return std::nullopt;
        return parse(*this, *found);
    }

    void refuse() { ok_ = false; }

  private:
    bool ok_ = true;
};

}  // namespace agent
