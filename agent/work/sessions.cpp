// SPDX-License-Identifier: Apache-2.0
#include "agent/work/sessions.hpp"

#include <algorithm>
#include <utility>

namespace agent {

Sessions::Sessions(Store& store, base::Transport& transport, base::Clock& clock)
    : store_(store), transport_(transport), clock_(clock) {}

acme::Session& Sessions::with(const CaConfig& ca, acme::Patience* patience) {
    acme::Authority authority{.name = ca.name,
                              .directory = ca.directory,
                              .trust = {.roots_file = ca.roots, .proxy = ca.proxy},
                              .patience = patience};
    const std::scoped_lock guard(mutex_);
    const auto known = std::ranges::find_if(
        sessions_, [&](const auto& session) { return session->authority() == authority; });
    if (known != sessions_.end()) return **known;
    acme::DirectoryShelf shelf{
        .recall = [this, name = ca.name, url = ca.directory] { return store_.kept_directory(name, url); },
        .keep = [this, name = ca.name,
                 url = ca.directory](const auto& kept) { store_.keep_directory(name, url, kept); }};
    return *sessions_.emplace_back(
        std::make_unique<acme::Session>(std::move(authority), transport_, clock_, std::move(shelf)));
}

}  // namespace agent
