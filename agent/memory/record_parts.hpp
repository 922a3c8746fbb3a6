// SPDX-License-Identifier: Apache-2.0
// The parts of a record as JSON. Reading never throws: what is not as written is refused by the reader.
#pragma once

#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "agent/memory/json_reader.hpp"
#include "agent/memory/record.hpp"

namespace agent {

/// null where there is none.
[[nodiscard]] nlohmann::json write(const std::optional<base::Instant>& instant);
[[nodiscard]] nlohmann::json write(const std::optional<Failure>& failure);
[[nodiscard]] nlohmann::json write(const OrderedFor& ordered_for);
[[nodiscard]] nlohmann::json write(const GenerationRecord& generation);
[[nodiscard]] nlohmann::json write(const std::vector<deployers::EndpointVerdict>& verdicts);
[[nodiscard]] nlohmann::json write(const TargetRecord& target);
[[nodiscard]] nlohmann::json write(const PendingHook& hook);
[[nodiscard]] nlohmann::json write(const Revocation& revocation);
[[nodiscard]] nlohmann::json write(const Residue& residue);
[[nodiscard]] nlohmann::json write(const std::optional<Suggestion>& suggestion);
[[nodiscard]] nlohmann::json write(const std::optional<StandingRecords>& standing);
[[nodiscard]] nlohmann::json write(const std::optional<Pause>& pause);
[[nodiscard]] nlohmann::json write(const ExpiryWarning& warning);

[[nodiscard]] Failure read_failure(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] OrderedFor read_ordered_for(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] GenerationRecord read_generation(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] deployers::EndpointVerdict read_endpoint(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] TargetRecord read_target(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] PendingHook read_hook(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] Revocation read_revocation(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] Residue read_residue(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] Suggestion read_suggestion(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] StandingRecords read_standing(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] Pause read_pause(JsonReader& reader, const nlohmann::json& object);
[[nodiscard]] ExpiryWarning read_expiry_warning(JsonReader& reader, const nlohmann::json& object);

}  // namespace agent
