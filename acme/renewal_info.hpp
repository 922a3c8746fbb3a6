// SPDX-License-Identifier: Apache-2.0
// When the CA would like a certificate to be renewed (ACME Renewal Information, RFC 9773).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "acme/session.hpp"
#include "base/certificate.hpp"
#include "base/clock.hpp"

namespace acme {

/// What a CA suggests for one certificate (RFC 9773 §4.2).
struct RenewalWindow {
    base::Instant start{};
    base::Instant end{};
    std::string explanation_url{};  // https, printable, or empty
    friend bool operator==(const RenewalWindow&, const RenewalWindow&) = default;
};

/// How a certificate is named to its CA (RFC 9773 §4.1): key identifier of the issuer and serial number.
/// Empty where it names no issuer's key: such a certificate has no renewal information.
[[nodiscard]] std::string renewal_id(const base::Certificate& leaf);

/// Reads a RenewalInfo object. ca/protocol for what is none, for an end that is not after the start, and for
/// times beyond any certificate's life: all of them count as no answer (RFC 9773 §4.2).
[[nodiscard]] base::Result<RenewalWindow> parse_renewal_window(std::string_view body);

/// One question to the CA, unsigned.
struct RenewalAnswer {
    std::optional<RenewalWindow> window{};  // nothing: the CA has none to offer
    base::Seconds ask_again{6 * 3600};      // Retry-After within one minute and one day (RFC 9773 §4.3.2)
};

[[nodiscard]] base::Result<RenewalAnswer> fetch_renewal_window(Session& session, const std::string& id);

/// The instant within the window that `chance` (uniform in [0, 1)) stands for (RFC 9773 §4.2).
[[nodiscard]] base::Instant pick_instant(const RenewalWindow& window, double chance);

}  // namespace acme
