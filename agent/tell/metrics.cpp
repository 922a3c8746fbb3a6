// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/metrics.hpp"

#include <algorithm>
#include <array>

#include "agent/tell/status.hpp"
#include "base/text.hpp"

namespace agent {

using base::Instant;
using deployers::EndpointVerdict;
using deployers::Verdict;

namespace {

constexpr std::string_view kAttempts = "renewd_attempts_total";

std::optional<Instant> oldest_in(const std::vector<EndpointVerdict>& endpoints) {
    std::optional<Instant> oldest;
    for (const EndpointVerdict& endpoint : endpoints) {
        for (const deployers::AddressVerdict& address : endpoint.addresses) {
            if (address.not_after) oldest = std::min(oldest.value_or(*address.not_after), *address.not_after);
        }
    }
    return oldest;
}

void note_endpoints(CertificateFigures& figures, const std::vector<EndpointVerdict>& endpoints,
                    const std::string& target, const std::string& host) {
    for (const EndpointVerdict& endpoint : endpoints) ++figures.verdicts[to_string(endpoint.verdict)];
    if (const auto oldest = oldest_in(endpoints))
        figures.served.push_back({.target = target, .host = host, .oldest_not_after = *oldest});
}

/// A label's value, as the format wants it.
std::string escaped(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char character : text) {
        if (character == '\\' || character == '"') out += '\\';
        if (character == '\n') {
            out += "\\n";
        } else {
            out += character;
        }
    }
    return out;
}

using Label = std::pair<std::string_view, std::string_view>;

/// One family after the other, each with its words.
class Writer {
  public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_.append("# HELP ").append(name).append(" ").append(help);
        text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
    }

    void sample(std::initializer_list<Label> labels, std::int64_t value) {
        text_.append(name_);
        char before = '{';
        for (const auto& [label, content] : labels) {
            text_ += std::exchange(before, ',');
            text_.append(label).append("=\"").append(escaped(content)).append("\"");
        }
        if (labels.size() > 0) text_ += '}';
        text_.append(" ").append(std::to_string(value)).append("\n");
    }

    void sample(std::initializer_list<Label> labels, Instant value) {
        sample(labels, value.time_since_epoch().count());
    }

    [[nodiscard]] std::string take() && { return std::move(text_); }

  private:
    std::string_view name_;
    std::string text_;
};

void write_certificates(Writer& out, const std::vector<const CertificateFigures*>& certificates) {
    out.family("renewd_served_not_after_seconds", "gauge",
               "Unix time at which the oldest certificate seen at a target ends: alert on this one.");
    for (const CertificateFigures* one : certificates) {
        for (const auto& served : one->served)
            out.sample({{"certificate", one->name}, {"target", served.target}, {"host", served.host}},
                       served.oldest_not_after);
    }
    out.family("renewd_certificate_not_after_seconds", "gauge",
               "Unix time at which the newest generation ends.");
    for (const CertificateFigures* one : certificates) {
        if (one->not_after) out.sample({{"certificate", one->name}, {"ca", one->ca}}, *one->not_after);
    }
    out.family("renewd_endpoints", "gauge", "Endpoints by what was seen there last.");
    for (const CertificateFigures* one : certificates) {
        for (const auto& [verdict, count] : one->verdicts)
            out.sample({{"certificate", one->name}, {"verdict", verdict}}, count);
    }
    out.family("renewd_renewal_at_seconds", "gauge", "Unix time of the next renewal.");
    for (const CertificateFigures* one : certificates) {
        if (one->renewal_at) out.sample({{"certificate", one->name}}, *one->renewal_at);
    }
    out.family("renewd_attention", "gauge", "1 where a certificate needs somebody.");
    for (const CertificateFigures* one : certificates) {
        for (const bool is_critical : {false, true})
            out.sample({{"certificate", one->name}, {"severity", is_critical ? "critical" : "warning"}},
                       one->is_critical == is_critical ? 1 : 0);
    }
    out.family("renewd_held", "gauge", "Certificates with something due that is held back.");
    for (const HoldBy by : {HoldBy::Window, HoldBy::Pause, HoldBy::Limit}) {
        out.sample({{"by", to_string(by)}},
                   std::ranges::count_if(certificates, [by](const auto* one) { return one->held == by; }));
    }
}

}  // namespace

CertificateFigures figures_of(const CertificateStatus& status) {
    CertificateFigures figures{.name = status.record.name};
    if (const GenerationRecord* newest = status.record.wanted()) {
        figures.ca = newest->ordered_for.ca;
        figures.not_after = newest->not_after;
    }
    if (status.config != nullptr) figures.renewal_at = status.plan.renewal.at;
    for (const TargetStatus& target : status.targets)
        note_endpoints(figures, target.record.endpoints, target.config->name, target.config->host);
    note_endpoints(figures, status.record.endpoints, "", "");
    if (status.attention) figures.is_critical = status.attention->is_critical;
    if (status.held) figures.held = status.held->by;
    return figures;
}

std::string to_text(const Metrics& metrics) {
    Writer out;
    write_certificates(out, metrics.certificates);
    out.family(kAttempts, "counter", "What was tried, by its outcome.");
    for (const auto& [what, count] : metrics.attempts)
        out.sample({{"step", what.first}, {"result", what.second}}, static_cast<std::int64_t>(count));
    if (metrics.last_pass) {
        out.family("renewd_last_pass_seconds", "gauge",
                   "Unix time at which a certificate was last looked into, and what was due was done.");
        out.sample({}, *metrics.last_pass);
    }
    out.family("renewd_config_ok", "gauge",
               "0: the files are broken, and what was accepted before is in force.");
    out.sample({}, metrics.config_ok ? 1 : 0);
    out.family("renewd_store_ok", "gauge", "0: the state cannot be read or written.");
    out.sample({}, metrics.store_ok ? 1 : 0);
    if (metrics.free_bytes) {
        out.family("renewd_store_free_bytes", "gauge", "Free in the state directory's file system.");
        out.sample({}, static_cast<std::int64_t>(*metrics.free_bytes));
    }
    out.family("renewd_ca_limit_remaining", "gauge", "What is left of a limit of the CA.");
    for (const LimitFigure& limit : metrics.limits)
        out.sample({{"ca", limit.ca}, {"limit", limit.limit}}, limit.left);
    return std::move(out).take();
}

Attempts attempts_in(std::string_view text) {
    Attempts attempts;
    while (!text.empty()) {
        std::string_view line = base::take_until(text, '\n');
        // renewd_attempts_total{step="order",result="ok"} 12
        if (base::take_until(line, '{') != kAttempts) continue;
        std::array<std::string_view, 5> words;
        for (std::string_view& word : words) word = base::take_until(line, '"');
        if (words[0] != "step=" || words[2] != ",result=" || !words[4].starts_with("} ")) continue;
        const auto count = base::parse_number<std::uint64_t>(words[4].substr(2));
        if (!count) continue;
        attempts[{std::string(words[1]), std::string(words[3])}] = *count;
    }
    return attempts;
}

}  // namespace agent
