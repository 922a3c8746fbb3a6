// SPDX-License-Identifier: Apache-2.0
#include "agent/work/metrics_keeper.hpp"

#include <utility>

#include "base/unsynced_file.hpp"

namespace agent {

using base::Result;

namespace {

constexpr std::size_t kFileMax = std::size_t{512} * 1024 * 1024;
constexpr base::FileAttributes kForAll{
    .mode = 0644};  // nothing in it is secret, and collectors have users of their own

}  // namespace

MetricsKeeper::MetricsKeeper(base::Files& files, std::string path) : files_(files), path_(std::move(path)) {
    const auto before = base::read_file(files_, path_, kFileMax);
    if (before) attempts_ = attempts_in(*before);
}

void MetricsKeeper::attempted(std::string_view step, bool has_succeeded) {
    const std::scoped_lock guard(mutex_);
    ++attempts_[{std::string(step), has_succeeded ? "ok" : "failed"}];
}

void MetricsKeeper::note(CertificateFigures figures, std::optional<base::Instant> passed_at) {
    const std::scoped_lock guard(mutex_);
    if (passed_at) last_pass_ = passed_at;
    std::string name = figures.name;
    certificates_.insert_or_assign(std::move(name), std::move(figures));
}

bool MetricsKeeper::knows(const std::string& certificate) {
    const std::scoped_lock guard(mutex_);
    return certificates_.contains(certificate);
}

void MetricsKeeper::keep_only(const std::function<bool(const std::string&)>& is_wanted) {
    const std::scoped_lock guard(mutex_);
    std::erase_if(certificates_, [&](const auto& entry) { return !is_wanted(entry.first); });
}

Result<void> MetricsKeeper::write(Beside beside) {
    const auto text_now = [&] {
        const std::scoped_lock guard(mutex_);
        Metrics metrics{.attempts = attempts_,
                        .limits = std::move(beside.limits),
                        .free_bytes = beside.free_bytes,
                        .last_pass = last_pass_,
                        .store_ok = beside.store_ok,
                        .config_ok = beside.config_ok};
        metrics.certificates.reserve(certificates_.size());
        for (const auto& [name, figures] : certificates_) metrics.certificates.push_back(&figures);
        return to_text(metrics);
    };
    return base::write_unsynced(files_, path_, text_now(), kForAll);
}

}  // namespace agent
