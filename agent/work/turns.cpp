// SPDX-License-Identifier: Apache-2.0
#include "agent/work/turns.hpp"

#include <algorithm>
#include <condition_variable>

#include "agent/plan/agenda.hpp"
#include "base/parallel.hpp"

namespace agent {

/// Under mutex_.
bool Turns::has_room(const Places& places) const {
    return std::ranges::all_of(places, [&](const Place& place) {
        const auto taken = taken_.find(place.name);
        return taken == taken_.end() || taken->second < place.most;
    });
}

Turns::Turn Turns::take(const Places& places) {
    const std::scoped_lock guard(mutex_);
    if (!has_room(places)) return nullptr;
    for (const Place& place : places) ++taken_[place.name];
    return std::make_shared<const Held>(*this, places);
}

bool Turns::is_free(const Places& places) const {
    const std::scoped_lock guard(mutex_);
    return has_room(places);
}

void Turns::on_return(std::function<void()> call) {
    const std::scoped_lock guard(mutex_);
    call_ = std::move(call);
}

void Turns::give_back(const Places& places) {
    std::function<void()> call;
    {
        const std::scoped_lock guard(mutex_);
        for (const Place& place : places) {
            const auto taken = taken_.find(place.name);
            if (--taken->second == 0) taken_.erase(taken);
        }
        call = call_;
    }
    if (call) call();
}

Turns::Turn Errand::take(const Places& places) {
    const std::scoped_lock guard(mutex_);
    if (brought_ && brought_->places() == places) return std::exchange(brought_, nullptr);
    Turns::Turn turn = turns_.take(places);
    if (!turn && std::ranges::find(missed_, places) == missed_.end()) missed_.push_back(places);
    return turn;
}

std::vector<Places> Errand::missed() const {
    const std::scoped_lock guard(mutex_);
    return missed_;
}

void in_turns(Turns& turns, std::size_t at_once, std::span<const base::Instant> pressing_at,
              const std::function<std::vector<Places>(std::size_t, Turns::Turn)>& work) {
    std::mutex mutex;
    std::condition_variable has_changed;
    Agenda agenda;
    std::map<std::string, std::size_t, std::less<>> indices;
    for (std::size_t i = 0; i < pressing_at.size(); ++i) {
        std::string name = std::to_string(i);
        name.insert(0, 12 - name.size(), '0');  // equally pressing ones in their order
        agenda.put(name, {}, pressing_at[i]);
        indices.emplace(std::move(name), i);
    }
    turns.on_return([&] {
        {
            const std::scoped_lock guard(mutex);
        }  // whoever has just found nothing free, waits by now
        has_changed.notify_all();
    });
    const auto is_free = [&](const Places& places) { return turns.is_free(places); };
    base::in_parallel(std::min(pressing_at.size(), at_once), at_once, [&](std::size_t) {
        std::unique_lock guard(mutex);
        while (agenda.size() != 0) {
            const auto due = agenda.take_due({}, is_free);
            if (!due) {
                has_changed.wait(guard);
                continue;
            }
            Turns::Turn turn = due->called_up_for.empty() ? nullptr : turns.take(due->called_up_for);
            guard.unlock();
            std::vector<Places> waits_for = work(indices.find(due->certificate)->second, std::move(turn));
            guard.lock();
            if (waits_for.empty()) {
                agenda.drop(due->certificate);
            } else {
                agenda.put_back(due->certificate, base::Instant::max(), std::nullopt, std::move(waits_for));
            }
            has_changed.notify_all();
        }
    });
    turns.on_return({});
}

}  // namespace agent
