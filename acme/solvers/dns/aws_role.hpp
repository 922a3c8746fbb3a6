// SPDX-License-Identifier: Apache-2.0
// AWS keys that nobody has to keep: those of the role that this machine or container has, which last for
// hours.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "acme/solvers/dns/sigv4.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http.hpp"

namespace acme {

/// Thread safe. `transport` and `clock` are borrowed.
class AwsRole {
  public:
    enum class Of { Instance, Container };

    AwsRole(Of of, base::Transport& transport, base::Clock& clock)
        : of_(of), transport_(transport), clock_(clock) {}

    /// The keys of the moment: kept until five minutes before they end, and to their end where there are no
    /// new ones. Of an instance by its metadata service (version 2, EC2 user guide, "Use IMDS"), of a
    /// container by the service that AWS_CONTAINER_CREDENTIALS_RELATIVE_URI names (ECS developer guide, "Task
    /// IAM role"): the only plain http beside loopback, to an address that no packet leaves the host for.
    /// provider/unreachable: nobody answers, so this is no machine of AWS'. provider/denied: it has no role.
    /// provider/protocol. config/secret-unavailable: no container of ECS.
    [[nodiscard]] base::Result<AwsKeys> keys();

  private:
    struct Held {
        AwsKeys keys{};
        base::Instant end{};
    };

    [[nodiscard]] base::Result<Held> fetch() const;
    [[nodiscard]] base::Result<std::string> fetch_document() const;
    [[nodiscard]] base::Result<std::string> ask(base::HttpRequest request) const;

    Of of_;
    base::Transport& transport_;
    base::Clock& clock_;
    std::mutex mutex_{};
    std::optional<Held> held_{};
};

}  // namespace acme
