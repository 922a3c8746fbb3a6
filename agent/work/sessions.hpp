// SPDX-License-Identifier: Apache-2.0
// The sessions with CAs: what each of them knows (nonces, how fast the CA may be asked, how far its clock is
// from ours) holds for the process, whatever becomes of the configuration.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "acme/session.hpp"
#include "agent/config/config.hpp"
#include "agent/memory/store.hpp"
#include "base/clock.hpp"
#include "base/http.hpp"

namespace agent {

/// Thread safe.
class Sessions {
  public:
    /// Everything is borrowed for as long as this lives.
    Sessions(Store& store, base::Transport& transport, base::Clock& clock);

    /// The one with this CA, made when it is first asked for. A CA that is configured otherwise is another.
    /// `patience` as in acme::Authority.
    [[nodiscard]] acme::Session& with(const CaConfig& ca, acme::Patience* patience);

  private:
    Store& store_;
    base::Transport& transport_;
    base::Clock& clock_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<acme::Session>> sessions_;
};

}  // namespace agent
