// SPDX-License-Identifier: Apache-2.0
// How long to wait for a CA, as pure functions: what it asks for by Retry-After, within what is sensible.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "base/http.hpp"

namespace acme {

/// Retry-After (RFC 9110 §10.2.3), seconds or a date, as a wait from `now` on: what is negative or past is 0,
/// what is longer than a week is a week, what is neither is nothing.
[[nodiscard]] std::optional<base::Seconds> parse_retry_after(std::string_view value, base::Instant now);

/// The same of an answer: a date is the CA's, and so is measured from the answer's own Date, where it has
/// one.
[[nodiscard]] std::optional<base::Seconds> retry_after_of(const base::HttpResponse& answer,
                                                          base::Instant now);

/// The wait before look number `look` at a resource that the CA is at work on. Look 0 comes soon after we did
/// something, whatever was asked; later ones as `asked` (1 to 60 s), else slower and slower up to 15 s.
/// `answered_in` is what the CA took to answer what we did: it has been at work for most of that already, and
/// one that is far away or busy is given more time.
[[nodiscard]] base::Milliseconds look_wait(unsigned look, std::optional<base::Seconds> asked,
                                           base::Milliseconds answered_in);

/// The pause before a request with a rejected nonce is signed again; `tries` have failed.
[[nodiscard]] base::Milliseconds nonce_pause(unsigned tries);

/// The pause before a request whose answer was lost is sent again; `tries` have failed.
[[nodiscard]] base::Milliseconds resend_pause(unsigned tries);

}  // namespace acme
