// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/agenda.hpp"

#include <algorithm>
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
    leave_gate(entry);
    if (queue_.erase({entry.second.at, &entry}) == 0) due_.erase({entry.second.pressing_at, &entry});
}

void Agenda::stand_at(const Gate& gate, Entries::value_type& entry) {
    Gates::value_type& place = *gates_.try_emplace(gate.name).first;
    open_.erase(&place);
    openings_.erase({place.second.opens_at, &place});
    place.second.opens_at = gate.opens_at;
    place.second.behind = gate.behind;
    openings_.insert({gate.opens_at, &place});
    place.second.line.insert({entry.second.pressing_at, &entry});
    entry.second.gate = &place;
}

void Agenda::leave_gate(Entries::value_type& entry) {
    Gates::value_type* const gate = std::exchange(entry.second.gate, nullptr);
    if (gate == nullptr) return;
    gate->second.line.erase({entry.second.pressing_at, &entry});
    if (!gate->second.line.empty()) return;
    open_.erase(gate);
    openings_.erase({gate->second.opens_at, gate});
    gates_.erase(gates_.find(gate->first));
}

void Agenda::open_gates(Instant now) {
    while (!openings_.empty() && openings_.begin()->first <= now) {
        open_.insert(openings_.begin()->second);
        openings_.erase(openings_.begin());
    }
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
                      std::vector<Places> waits_for, const std::optional<Gate>& gate) {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || !place->second.is_taken) return;  // dropped meanwhile
    Entry& entry = place->second;
    const bool has_changed = entry.has_changed;
    entry = {.at = has_changed ? Instant{} : at, .pressing_at = pressing_at.value_or(entry.pressing_at)};
    stand_in_line(*place);
    if (has_changed) return;
    if (gate) stand_at(*gate, *place);
    if (waits_for.empty()) return;
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
    open_gates(now);
    for (const Gates::value_type* gate : open_) {
        const Standing& foremost = *gate->second.line.begin();
        if ((!first || foremost < *first) && is_free(gate->second.behind)) first = foremost;
    }
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
    const Instant first = queue_.begin()->at;
    return openings_.empty() ? first : std::min(first, openings_.begin()->first);
}

std::optional<Instant> Agenda::due(const std::string& certificate) const {
    const auto place = entries_.find(certificate);
    if (place == entries_.end() || place->second.is_taken) return std::nullopt;
    if (waits_.contains(certificate)) return Instant{};
    const Entry& entry = place->second;
    return entry.gate == nullptr ? entry.at : std::min(entry.at, entry.gate->second.opens_at);
}

Instant Agenda::pressing_at(const std::string& certificate) const {
    const auto place = entries_.find(certificate);
    return place == entries_.end() ? kNotKnown : place->second.pressing_at;
}

}  // namespace agent
