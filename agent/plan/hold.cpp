// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/hold.hpp"

#include <algorithm>

#include "agent/plan/window.hpp"

namespace agent {

using base::Instant;
using base::Seconds;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;

std::string_view to_string(HoldBy by) {
    switch (by) {
        case HoldBy::Window:
            return "window";
        case HoldBy::Pause:
            return "pause";
        case HoldBy::Limit:
            return "limit";
    }
    return "window";
}

std::optional<Instant> Hold::over_at() const {
    if (!until || !ends_at) return until ? until : ends_at;
    return std::min(*until, *ends_at);
}

namespace {

/// How long what a target has now lets it wait.
class Patience {
  public:
    Patience(const CertificateConfig& certificate, const Record& record)
        : certificate_(certificate), record_(record) {}

    /// The instant from which it cannot wait any more; absent: it cannot.
    std::optional<Instant> of(const TargetConfig& config, const TargetRecord& target) {
        if (target.installed == 0 || target.attempting != 0) return std::nullopt;
        const GenerationRecord* installed = record_.generation(target.installed);
        if (installed == nullptr) return std::nullopt;
        consider(*installed);
        if (!config.endpoints.empty()) {
            for (const EndpointVerdict& endpoint : target.endpoints)
                std::ranges::for_each(endpoint.addresses, [&](const auto& seen) { consider(seen); });
        }
        return is_urgent_ ? std::nullopt : until_;
    }

  private:
    void consider(const GenerationRecord& generation) {
        const bool is_unwanted = generation.revoked_at || record_.revocation(generation.number) != nullptr ||
                                 generation.number <= record_.hurried_by_ca;
        is_urgent_ = is_urgent_ || is_unwanted;
        consider(generation.not_after, generation.not_after - generation.not_before);
    }

    void consider(Instant not_after, Seconds lifetime) {
        const auto share = Seconds(
            static_cast<std::int64_t>(static_cast<double>(lifetime.count()) * certificate_.window_ends_at));
        until_ = std::min(until_.value_or(not_after - share), not_after - share);
    }

    void consider(const AddressVerdict& seen) {
        switch (seen.verdict) {
            case Verdict::Serving:
            case Verdict::Stale:
                break;
            case Verdict::NotReachableFromHere:
            case Verdict::NotLooked:
            case Verdict::Unresolved:  // of names here, not of what is served there
                return;
            case Verdict::IncompleteChain:
            case Verdict::Untrusted:
            case Verdict::NameMismatch:
            case Verdict::Expired:
            case Verdict::Foreign:
            case Verdict::HandshakeFailed:
            case Verdict::Unreachable:  // where nothing answers, nobody is disturbed
                is_urgent_ = true;
                return;
        }
        const GenerationRecord* served = record_.generation_of(seen.sha256);
        const GenerationRecord* wanted = record_.wanted();
        if (served != nullptr) {
            consider(*served);
        } else if (seen.not_after) {
            consider(*seen.not_after, wanted->not_after - wanted->not_before);
        }
    }

    const CertificateConfig& certificate_;
    const Record& record_;
    bool is_urgent_ = false;
    std::optional<Instant> until_{};
};

Hold pause_of(const Pause& pause) {
    return {.by = HoldBy::Pause,
            .reason = "paused by " + pause.by + " since " + base::format_instant(pause.since) +
                      (pause.reason.empty() ? "" : ": " + pause.reason),
            .until = pause.until};
}

Hold window_of(const CertificateConfig& certificate, Instant now) {
    std::string words;
    for (const Window& window : certificate.windows)
        words += (words.empty() ? "window " : " or ") + to_text(window);
    return {.by = HoldBy::Window, .reason = words, .until = opens_at(certificate.windows, now)};
}

}  // namespace

bool is_paused(const Record& record, Instant now) {
    return record.pause && (!record.pause->until || *record.pause->until > now);
}

bool waits_for_resume(const Plan& plan) {
    const Hold* hold = plan.held();
    return hold != nullptr && hold->by == HoldBy::Pause && !hold->until;
}

std::optional<Hold> hold_of(const CertificateConfig& certificate, const Record& record,
                            const TargetConfig& target, Instant now) {
    const bool paused = is_paused(record, now);
    if (!paused && is_open(certificate.windows, now)) return std::nullopt;
    const TargetRecord* known = record.target(target.name);
    const auto ends_at = known == nullptr ? std::nullopt : Patience(certificate, record).of(target, *known);
    if (!ends_at || *ends_at <= now) return std::nullopt;
    Hold hold = paused ? pause_of(*record.pause) : window_of(certificate, now);
    hold.ends_at = ends_at;
    return hold;
}

}  // namespace agent
