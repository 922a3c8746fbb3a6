// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/agenda.hpp"

namespace agent {

using base::Instant;

void Agenda::put(const std::string& certificate, Instant at) {
    const auto [place, is_new] = entries_.try_emplace(certificate, Entry{.at = at});
    Entry& entry = place->second;
    if (entry.is_taken) {
        entry.has_changed = true;
        return;
    }
    if (!is_new) queue_.erase({entry.at, place->first});
    entry.at = at;
    queue_.emplace(at, place->first);
}

void Agenda::put_back(const std::string& certificate, Instant at) {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || !place->second.is_taken) return;  // dropped meanwhile
    Entry& entry = place->second;
    entry = {.at = entry.has_changed ? Instant{} : at};
    queue_.emplace(entry.at, place->first);
}

void Agenda::drop(const std::string& certificate) {
    const auto place = entries_.find(certificate);
    if (place == entries_.end()) return;
    queue_.erase({place->second.at, place->first});
    entries_.erase(place);
}

std::optional<std::string> Agenda::take_due(Instant now) {
    if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
    const auto place = entries_.find(queue_.begin()->second);
    queue_.erase(queue_.begin());
    place->second.is_taken = true;
    return place->first;
}

std::optional<Instant> Agenda::next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first;
}

std::optional<Instant> Agenda::due(const std::string& certificate) const {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || place->second.is_taken) return std::nullopt;
    return place->second.at;
}

}  // namespace agent
