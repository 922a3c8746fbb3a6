// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/agenda.hpp"

namespace agent {

using base::Instant;

void Agenda::stand_in_line(const Entries::value_type& entry) {
    queue_.emplace(entry.second.at, entry.first);
}

void Agenda::leave_line(const Entries::value_type& entry) {
    if (queue_.erase({entry.second.at, entry.first}) == 0)
        due_.erase({entry.second.pressing_at, entry.first});
}

void Agenda::put(const std::string& certificate, Instant at) {
    put(certificate, at, pressing_at(certificate));
}

void Agenda::put(const std::string& certificate, Instant at, Instant pressing_at) {
    const auto [place, is_new] = entries_.try_emplace(certificate, Entry{});
    Entry& entry = place->second;
    if (entry.is_taken) {
        entry.has_changed = true;
        return;
    }
    if (!is_new) leave_line(*place);
    entry.at = at;
    entry.pressing_at = pressing_at;
    stand_in_line(*place);
}

void Agenda::put_back(const std::string& certificate, Instant at, std::optional<Instant> pressing_at) {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || !place->second.is_taken) return;  // dropped meanwhile
    Entry& entry = place->second;
    entry = {.at = entry.has_changed ? Instant{} : at,
             .pressing_at = pressing_at.value_or(entry.pressing_at)};
    stand_in_line(*place);
}

void Agenda::drop(const std::string& certificate) {
    const auto place = entries_.find(certificate);
    if (place == entries_.end()) return;
    leave_line(*place);
    entries_.erase(place);
}

std::optional<Due> Agenda::take_due(Instant now) {
    while (!queue_.empty() && queue_.begin()->first <= now) {
        const std::string_view name = queue_.begin()->second;
        due_.emplace(entries_.find(name)->second.pressing_at, name);
        queue_.erase(queue_.begin());
    }
    if (due_.empty()) return std::nullopt;
    const auto place = entries_.find(due_.begin()->second);
    due_.erase(due_.begin());
    place->second.is_taken = true;
    return Due{.certificate = place->first, .pressing_at = place->second.pressing_at};
}

std::optional<Instant> Agenda::next() const {
    if (!due_.empty()) return Instant{};  // and not taken, for want of hands
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first;
}

std::optional<Instant> Agenda::due(const std::string& certificate) const {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || place->second.is_taken) return std::nullopt;
    return place->second.at;
}

Instant Agenda::pressing_at(const std::string& certificate) const {
    const auto place = entries_.find(certificate);
    return place == entries_.end() ? kNotKnown : place->second.pressing_at;
}

}  // namespace agent
