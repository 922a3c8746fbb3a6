// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/agenda.hpp"

#include <utility>

namespace agent {

using base::Instant;

void Agenda::stand_in_line(Entries::value_type& entry) {
    queue_.insert({entry.second.at, &entry});
}

void Agenda::leave_line(Entries::value_type& entry) {
    if (const auto waits = waits_.find(entry.first); waits != waits_.end()) {
        for (const Places& places : waits->second) {
            const auto line = waiting_.find(places);
            line->second.erase({entry.second.pressing_at, &entry});
            if (line->second.empty()) waiting_.erase(line);
        }
        waits_.erase(waits);
    }
    if (queue_.erase({entry.second.at, &entry}) == 0) due_.erase({entry.second.pressing_at, &entry});
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

void Agenda::put_back(const std::string& certificate, Instant at, std::optional<Instant> pressing_at,
                      std::vector<Places> waits_for) {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || !place->second.is_taken) return;  // dropped meanwhile
    Entry& entry = place->second;
    const bool has_changed = entry.has_changed;
    entry = {.at = has_changed ? Instant{} : at, .pressing_at = pressing_at.value_or(entry.pressing_at)};
    stand_in_line(*place);
    if (has_changed || waits_for.empty()) return;
    for (const Places& places : waits_for) waiting_[places].insert({entry.pressing_at, &*place});
    waits_.insert_or_assign(certificate, std::move(waits_for));
}

void Agenda::drop(const std::string& certificate) {
    const auto place = entries_.find(certificate);
    if (place == entries_.end()) return;
    leave_line(*place);
    entries_.erase(place);
}

std::optional<Due> Agenda::take_due(Instant now, const std::function<bool(const Places&)>& is_free) {
    while (!queue_.empty() && queue_.begin()->at <= now) {
        Entries::value_type& entry = *queue_.begin()->entry;
        due_.insert({entry.second.pressing_at, &entry});
        queue_.erase(queue_.begin());
    }
    std::optional<Standing> first;
    if (!due_.empty()) first = *due_.begin();
    Places called_up_for;
    for (const auto& [places, line] : waiting_) {
        if ((first && !(*line.begin() < *first)) || !is_free(places)) continue;
        first = *line.begin();
        called_up_for = places;
    }
    if (!first) return std::nullopt;
    auto& [certificate, entry] = *first->entry;
    leave_line(*first->entry);
    entry.is_taken = true;
    return Due{.certificate = certificate,
               .pressing_at = entry.pressing_at,
               .called_up_for = std::move(called_up_for)};
}

std::optional<Instant> Agenda::next() const {
    if (!due_.empty()) return Instant{};  // and not taken, for want of hands
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->at;
}

std::optional<Instant> Agenda::due(const std::string& certificate) const {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || place->second.is_taken) return std::nullopt;
    return waits_.contains(certificate) ? Instant{} : place->second.at;
}

Instant Agenda::pressing_at(const std::string& certificate) const {
    const auto place = entries_.find(certificate);
    return place == entries_.end() ? kNotKnown : place->second.pressing_at;
}

}  // namespace agent
