// SPDX-License-Identifier: Apache-2.0
// Keeps what agent.metrics_file shows, and the file itself, which a collector such as node_exporter's
// textfile reads at any moment.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "agent/tell/metrics.hpp"
#include "base/file.hpp"

namespace agent {

/// Thread safe.
class MetricsKeeper {
  public:
    /// Goes on from the counts in the file, where there is one.
    MetricsKeeper(base::Files& files, std::string path);

    /// Counts: "order", "deploy", "verify", "hook", "revoke".
    void attempted(std::string_view step, bool has_succeeded);
    /// How a certificate stands after a pass, which ended at `passed_at`; without a pass it was only read.
    void note(CertificateFigures figures, std::optional<base::Instant> passed_at);
    [[nodiscard]] bool knows(const std::string& certificate);
    /// All others are shown no more.
    void keep_only(const std::function<bool(const std::string&)>& is_wanted);

    struct Beside {
        std::vector<LimitFigure> limits{};
        std::optional<std::uint64_t> free_bytes{};
        bool store_ok = true;
        bool config_ok = true;
    };

    /// Replaces the file atomically, readable for all. It is not made durable: what it says is over by the
    /// time a machine is up again. file/….
    [[nodiscard]] base::Result<void> write(Beside beside);

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    base::Files& files_;
    const std::string path_;
    std::mutex mutex_;
    std::map<std::string, CertificateFigures, std::less<>> certificates_;
    Attempts attempts_;
    std::optional<base::Instant> last_pass_;
};

}  // namespace agent
