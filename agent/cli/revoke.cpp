// SPDX-License-Identifier: Apache-2.0
// `renewd revoke NAME [--reason R] [--now]` and `renewd replace SELECT --reason R [--revoke-within 30m]`: new
// keys everywhere, and the old generations revoked.
#include <algorithm>
#include <cstdio>

#include "acme/revocation.hpp"
#include "agent/cli/command.hpp"
#include "agent/tell/words.hpp"

namespace agent {

namespace {

constexpr base::Milliseconds kBetweenPasses{5'000};

/// Does anything wait to be revoked that nothing but time, or a target, holds back?
bool anything_waits(Workshop& shop) {
    return std::ranges::any_of(shop.certificates, [&](const std::string& name) {
        const auto record = shop.store->load(name);
        return record && *record && !(*record)->revocations.empty();
    });
}

int tell_certificate(const Workshop& shop, const Record& record) {
    for (const GenerationRecord& generation : record.generations) {
        if (!generation.revoked_at || shop.options.quiet) continue;
        std::printf("  %s   generation %d revoked (%s)\n", record.name.c_str(), generation.number,
                    generation.revocation_reason.c_str());
    }
    for (const Revocation& waiting : record.revocations) {
        const std::string until =
            waiting.not_later_than
                ? "at the latest " + relative(*waiting.not_later_than, shop.clock.now())
                : "once no address serves it any more; to revoke it regardless:  renewd revoke " +
                      record.name + " --now";
        std::printf("  %s   generation %d is not revoked yet; it will be by a later run, %s\n",
                    record.name.c_str(), waiting.generation, until.c_str());
    }
    return record.revocations.empty() ? exit_code::kWell : exit_code::kNotServed;
}

/// What was revoked, and what waits; 5 where something does.
int tell_all(Workshop& shop) {
    int code = exit_code::kWell;
    if (shop.options.json) return anything_waits(shop) ? exit_code::kNotServed : code;
    for (const std::string& name : shop.certificates) {
        const auto record = shop.store->load(name);
        if (record && *record) code = combined_exit_code(code, tell_certificate(shop, **record));
    }
    return code;
}

base::Result<RevocationWish> wish_of(Workshop& shop) {
    const RevocationOptions& options = shop.options.revocation;
    const bool replaces = shop.options.command == "replace";
    if (replaces && options.reason.empty()) {
        return base::fail(base::Code::UsageWrong, "why? renewd replace wants --reason",
                          acme::parse_revocation_reason("?").error().hint);
    }
    const auto reason =
        TRY(acme::parse_revocation_reason(options.reason.empty() ? "unspecified" : options.reason));
    RevocationWish wish{.reason = std::string(acme::to_string(reason))};
    if (replaces) wish.not_later_than = shop.clock.now() + options.within;
    if (options.now) wish.not_later_than = shop.clock.now();
    return wish;
}

/// A request of the user's own keeps its key: ordering with it again would replace nothing.
std::optional<base::Error> key_that_stays(const Workshop& shop) {
    const RevocationOptions& options = shop.options.revocation;
    const bool wants_new_keys = shop.options.command == "replace" || options.reason == "keyCompromise";
    for (const std::string& name : shop.certificates) {
        const CertificateConfig& certificate = shop.config.certificates.at(name);
        if (!wants_new_keys || !certificate.request || options.now) continue;
        return base::Error{
            .code = base::Code::UsageWrong,
            .message = name + " is ordered with a request of your own (" + certificate.csr +
                       "): renewd has no key of it to replace",
            .hint =
                "make a new key and a new request, write it there, and renewd orders by itself; then  "
                "renewd revoke " +
                name};
    }
    return std::nullopt;
}

}  // namespace

int revoke_command(Workshop& shop) {
    const Options& options = shop.options;
    if (const auto stays = key_that_stays(shop)) {
        tell(options, *stays);
        return exit_code::kUsage;
    }
    const auto wish = wish_of(shop);
    if (!wish) {
        tell(options, wish.error());
        return exit_code::kUsage;
    }
    int code = work_on(
        shop,
        {.wishes = {.by_hand = true, .over_limit = options.over_limit, .retry_now = true, .past_holds = true},
         .limit_patience = limit_patience(options),
         .wait = options.wait,
         .revocation = *wish});
    // A replacement has a deadline: it is seen through, unless somebody would rather leave it to a later run.
    const bool stays = options.command == "replace" && options.wait.count() > 0 && !options.json;
    bool went_on = false;
    while (stays && anything_waits(shop) && shop.clock.now() < *wish->not_later_than + base::Seconds(1)) {
        shop.clock.sleep(kBetweenPasses);
        for (const CertificateOutcome& outcome :
             run_pass(*shop.surroundings, shop.certificates,
                      {.wishes = {.retry_now = true, .past_holds = true}})) {
            for (const std::string& remark : outcome.remarks) tell(options, {.message = remark});
        }
        went_on = true;
    }
    if (went_on)
        code = work_on(shop, {.wishes = {.retry_now = true, .past_holds = true}, .wait = options.wait});
    const int waiting = tell_all(shop);
    return code != exit_code::kWell ? code : waiting;
}

}  // namespace agent
