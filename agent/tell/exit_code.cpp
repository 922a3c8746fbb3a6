// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/exit_code.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "agent/tell/overview.hpp"
#include "agent/tell/status.hpp"

namespace agent {

using base::Code;

int exit_code_of(const CertificateStatus& status) {
    if (status.config == nullptr) return exit_code::kWell;
    if (status.record.issuance || status.record.wanted() == nullptr) return exit_code::kNotIssued;
    const auto could_not = [](const Revocation& waiting) { return waiting.failure.has_value(); };
    const bool is_revoked = status.record.wanted()->revoked_at.has_value();
    if (is_revoked || std::ranges::any_of(status.record.revocations, could_not)) return exit_code::kNotIssued;
    const auto is_installed = [](const TargetStatus& t) {
        return t.record.installed == t.wanted || t.state == TargetState::Held;
    };
    if (!std::ranges::all_of(status.targets, is_installed)) return exit_code::kNotDeployed;
    const auto has_failing_hook = [](const PendingHook& hook) { return hook.failure.has_value(); };
    const auto& hooks = status.record.hooks;
    if (std::ranges::any_of(hooks, has_failing_hook)) return exit_code::kNotDeployed;
    const auto is_well = [](const TargetStatus& t) {
        const bool waits = t.state == TargetState::Held && t.record.installed != t.wanted;
        return waits || t.state == TargetState::Serving || t.state == TargetState::Unverified;
    };
    if (!std::ranges::all_of(status.targets, is_well)) return exit_code::kNotServed;
    const bool public_well =
        !status.record.endpoints_verified_at || deployers::all_serving(status.record.endpoints);
    return public_well ? exit_code::kWell : exit_code::kNotServed;
}

int attention_code_of(const CertificateStatus& status) {
    if (!status.attention) return exit_code::kWell;
    const int code = exit_code_of(status);
    if (code != exit_code::kWell) return code;
    const base::Error& error = status.attention->error;
    if (error.code == Code::ClockWrong) return exit_code::kNotIssued;
    if (error.code == Code::AgentOverdue && error.step == "order") return exit_code::kNotIssued;
    return error.code == Code::DeployHeld ? exit_code::kNotDeployed : exit_code::kNotServed;
}

namespace {

/// A CA that has lost our account may refuse the next order for what still names the old one, until somebody
/// has seen to that. A state that came from another machine goes on by itself, and is only told.
int attention_code_of(const Condition& condition) {
    return condition.code.starts_with("ca/") ? exit_code::kNotIssued : exit_code::kWell;
}

}  // namespace

int exit_code_of(const base::Error& error) {
    const std::string_view code = base::to_string(error.code);
    switch (error.code) {
        case Code::StateLocked:
            return exit_code::kBusy;
        case Code::CaRateLimited:
            return exit_code::kHeld;
        case Code::CaBindingRequired:
        case Code::CaTermsNotAgreed:
            return exit_code::kUsage;
        default:
            break;
    }
    if (code.starts_with("config/") || code.starts_with("usage/")) return exit_code::kUsage;
    if (code.starts_with("state/")) return exit_code::kState;
    return code.starts_with("ca/") || code.starts_with("net/") ? exit_code::kNotIssued
                                                               : exit_code::kUnexpected;
}

int combined_exit_code(int a, int b) {
    const auto rank = [](int code) {
        constexpr std::array kOrder{exit_code::kState,     exit_code::kUnexpected,  exit_code::kUsage,
                                    exit_code::kNotIssued, exit_code::kNotDeployed, exit_code::kNotServed,
                                    exit_code::kBusy,      exit_code::kHeld,        exit_code::kWell};
        return std::ranges::find(kOrder, code) - kOrder.begin();
    };
    return rank(a) <= rank(b) ? a : b;
}

int attention_code_of(const Overview& overview) {
    int code = overview.store.ok() ? exit_code::kWell : exit_code::kState;
    for (const CertificateStatus& status : overview.certificates)
        code = combined_exit_code(code, attention_code_of(status));
    for (const Condition& condition : overview.conditions)
        code = combined_exit_code(code, attention_code_of(condition));
    return overview.clock_holds_orders ? combined_exit_code(code, exit_code::kNotIssued) : code;
}

}  // namespace agent
