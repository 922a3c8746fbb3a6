// SPDX-License-Identifier: Apache-2.0
// What a hook is told: one JSON object on stdin, and a small environment for scripts that want no JSON.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hooks {

struct Event {
    std::string name{};  // "renewed", "deployed", "served", "failed"
    std::string certificate{};
    std::vector<std::string> names{};  // the certificate's identifiers
    int generation = 0;
    std::string directory{};  // where the generation's PEM files are; empty: there is none
    std::string target{};     // empty: of the certificate as a whole
    std::string error{};      // the code of a `failed` event
    std::string json{};       // the whole event, as INTERFACE describes it
};

/// RENEWD_… and, on `renewed` and `served`, certbot's RENEWED_LINEAGE and RENEWED_DOMAINS. A value over 64
/// KiB is left out: the kernel takes no string above 128 KiB, and the JSON holds it anyway.
[[nodiscard]] std::map<std::string, std::string> environment_of(const Event& event);

}  // namespace hooks
