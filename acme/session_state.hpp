// SPDX-License-Identifier: Apache-2.0
// What the two halves of a session share.
#pragma once

#include <mutex>
#include <optional>

#include "acme/contact.hpp"
#include "acme/nonces.hpp"
#include "acme/pace.hpp"
#include "acme/session.hpp"

namespace acme {

struct Session::State {
    State(bool is_careful, Patience* patience) : pace(is_careful), contact(patience) {}

    std::mutex directory_mutex{};  // held while it is fetched: the others wait instead of asking, too
    std::optional<Directory> directory{};
    base::Steady directory_since{};
    bool shelf_is_stale = false;  // a URL of what lies there is gone

    NoncePool nonces{};
    Pace pace;
    Contact contact;

    std::mutex skew_mutex{};
    std::optional<Session::SeenDate> seen_date{};
};

}  // namespace acme
