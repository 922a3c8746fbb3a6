// SPDX-License-Identifier: Apache-2.0
// `renewd verify [SELECT]`: looks at every endpoint now, and says of each address that is not well what it
// serves.
#include <cctype>
#include <cstdio>
#include <map>

#include <nlohmann/json.hpp>

#include "agent/cli/command.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/overview.hpp"
#include "agent/tell/words.hpp"

namespace agent {

namespace {

using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;

std::string shouted(Verdict verdict) {
    std::string text(deployers::to_string(verdict));
    for (char& c : text) c = c == '_' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

class Report {
  public:
    void add(const std::string& place, const std::vector<EndpointVerdict>& endpoints) {
        for (const EndpointVerdict& endpoint : endpoints) {
            if (endpoint.addresses.empty())
                add_line(place, endpoint, {.verdict = endpoint.verdict, .error = "does not resolve"});
            for (const AddressVerdict& address : endpoint.addresses) add_line(place, endpoint, address);
        }
    }

    [[nodiscard]] std::string text(const CertificateStatus& status) const {
        const GenerationRecord* wanted = status.record.wanted();
        if (wanted == nullptr) return "  " + status.record.name + "   never issued: nothing to look for\n";
        std::string line =
            "  " + status.record.name + "   generation " + std::to_string(wanted->number) + ": ";
        if (looked_at_ == 0) return line + "nobody looks (no endpoints)\n";
        line += counted(looked_at_, "place") + " looked at";
        for (const auto& [verdict, count] : counts_) {
            line += ", " + std::to_string(count) + " " + std::string(deployers::to_string(verdict));
        }
        return line + "\n" + lines_;
    }

  private:
    void add_line(const std::string& place, const EndpointVerdict& endpoint, const AddressVerdict& address) {
        ++looked_at_;
        ++counts_[address.verdict];
        if (address.verdict == Verdict::Serving) return;
        lines_ += "    " + padded(shouted(address.verdict), 16) + " " + place + "   " +
                  (address.address.empty() ? endpoint.endpoint : address.address) + "   " + address.error +
                  "\n";
    }

    std::size_t looked_at_ = 0;
    std::map<Verdict, std::size_t> counts_;
    std::string lines_;
};

void print(const CertificateStatus& status) {
    Report report;
    for (const TargetStatus& target : status.targets)
        report.add(target.config->name, target.record.endpoints);
    report.add("public", status.record.endpoints);
    std::printf("%s", report.text(status).c_str());
}

}  // namespace

int verify_command(Workshop& shop) {
    const Options& options = shop.options;
    const std::vector<std::string> targets = select_targets(shop.config, options);
    const auto outcomes = run_pass(*shop.surroundings, shop.certificates,
                                   {.wishes = {.by_hand = true, .look_again = true},
                                    .only_targets = targets,
                                    .may_renew = false,
                                    .may_deploy = false,
                                    .wait = options.wait});
    tell_agent_of(shop, shop.certificates);
    int code = 0;
    bool has_looked = false;
    for (const CertificateOutcome& outcome : outcomes) {
        has_looked = has_looked || !outcome.error;
        if (!outcome.error) continue;
        tell(options, *outcome.error);
        code = combined_exit_code(code, exit_code_of(*outcome.error));
    }
    if (code == exit_code::kBusy && has_looked) code = exit_code::kWell;
    const Overview overview = overview_of(shop, /*with_removed=*/false);
    if (!options.json) {
        for (const base::Error& error : overview.store.errors) tell(options, error);
        if (overview.clock) tell(options, *overview.clock);
    }
    if (options.json) {
        std::printf("%s\n", json_text(to_json(overview)).c_str());
    } else if (!options.quiet) {
        for (const CertificateStatus& status : overview.certificates) print(status);
    }
    return combined_exit_code(code, attention_code_of(overview));
}

}  // namespace agent
