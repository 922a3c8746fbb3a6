// SPDX-License-Identifier: Apache-2.0
// The record of the certificate being worked on. Its targets are worked on at once, so every change goes
// through here, and is durable when change() returns.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "agent/memory/store.hpp"

namespace agent {

/// Owns the right to write while it lives. Thread safe.
class Keeper {
  public:
    Keeper(Store& store, std::unique_ptr<Lease> lease, Record record)
        : store_(store), lease_(std::move(lease)), record_(std::move(record)) {}

    /// Takes the lease and loads the record; a certificate that was never seen begins at `now`.
    [[nodiscard]] static base::Result<std::unique_ptr<Keeper>> open(Store& store,
                                                                    const std::string& certificate,
                                                                    base::Instant now);

    [[nodiscard]] Record record() const;
    [[nodiscard]] base::Result<void> change(const std::function<void(Record&)>& edit);
    /// Durable with the next change() or keep(), for what does no harm if it is lost until then.
    void note(const std::function<void(Record&)>& edit);
    /// Makes durable what has been noted since the last change.
    [[nodiscard]] base::Result<void> keep();

  private:
    Store& store_;
    std::unique_ptr<Lease> lease_;
    mutable std::mutex mutex_;
    Record record_;
    bool has_notes_ = false;
};

}  // namespace agent
