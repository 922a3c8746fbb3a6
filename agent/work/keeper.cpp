// SPDX-License-Identifier: Apache-2.0
#include "agent/work/keeper.hpp"

namespace agent {

base::Result<std::unique_ptr<Keeper>> Keeper::open(Store& store, const std::string& certificate,
                                                   base::Instant now) {
    auto lease = TRY(store.lease(certificate));
    auto record = TRY(store.load(certificate));
    if (!record) record = Record{.name = certificate, .first_seen = now};
    return std::make_unique<Keeper>(store, std::move(lease), std::move(*record));
}

Record Keeper::record() const {
    const std::scoped_lock guard(mutex_);
    return record_;
}

base::Result<void> Keeper::change(const std::function<void(Record&)>& edit) {
    const std::scoped_lock guard(mutex_);
    Record changed = record_;
    edit(changed);
    TRY(store_.save(changed));
    record_ = std::move(changed);
    has_notes_ = false;
    return {};
}

void Keeper::note(const std::function<void(Record&)>& edit) {
    const std::scoped_lock guard(mutex_);
    edit(record_);
    has_notes_ = true;
}

base::Result<void> Keeper::keep() {
    const std::scoped_lock guard(mutex_);
    if (!has_notes_) return {};
    TRY(store_.save(record_));
    has_notes_ = false;
    return {};
}

}  // namespace agent
