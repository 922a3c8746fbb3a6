// SPDX-License-Identifier: Apache-2.0
#include "deployers/transaction_errors.hpp"

#include <utility>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace deployers {
namespace {

using base::Code;

// What the commands say ends up in a log line, a notice and `status`: enough for nginx's two lines, not for a
// novel.
constexpr std::size_t kOutputShown = 600;

std::string command_line(const std::vector<std::string>& argv) {
    std::string text;
    for (const std::string& word : argv) text += (text.empty() ? "" : " ") + word;
    return text;
}

/// A command's output on one line, "; " between its lines.
std::string in_one_line(std::string_view output) {
    std::string text;
    while (!output.empty()) {
        std::string_view line = base::take_until(output, '\n');
        while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
        if (!line.empty()) text += (text.empty() ? "" : "; ") + std::string(line);
    }
    return base::printable(text, kOutputShown);
}

/// "exit 1: nginx: [emerg] …"
std::string words_of(const CommandReport& report) {
    constexpr int kTookTooLong = 124;  // CommandReport::exit_code
    std::string text =
        report.exit_code == kTookTooLong ? "took too long" : "exit " + std::to_string(report.exit_code);
    const std::string output = in_one_line(report.output);
    if (!output.empty()) text += ": " + output;
    return text;
}

std::string deploy_again(std::string_view certificate) {
    return "renewd deploy " + std::string(certificate);
}

std::string with_seen(std::string message, const std::string& seen) {
    return seen.empty() ? message : std::move(message) + "; " + seen;
}

}  // namespace

base::Error service_broken(const Installation& installation, const InstallReport& report,
                           std::string_view certificate) {
    return {.code = Code::DeployServiceBroken,
            .message = "nothing was changed. " + command_line(installation.test) +
                       " fails without us: " + words_of(report.test_before),
            .hint = "repair it, then  " + deploy_again(certificate)};
}

base::Error test_failed(const Installation& installation, const InstallReport& report,
                        std::string_view certificate) {
    std::string message = "what was there before is back and nothing was reloaded. " +
                          command_line(installation.test) +
                          " does not accept the new files: " + words_of(report.test_after);
    if (!report.test_before.ok()) message += ". It failed before, too: " + words_of(report.test_before);
    return {.code = Code::DeployTestFailed,
            .message = std::move(message),
            .hint = "repair it, then  " + deploy_again(certificate)};
}

base::Error write_failed(const InstallReport& report, std::string_view certificate) {
    return {
        .code = Code::DeployWriteFailed,
        .message = "what was there before is still there. " + base::printable(report.message, kOutputShown),
        .hint = "make that possible, then  " + deploy_again(certificate)};
}

std::string why_not_restarted(const Installation& installation, const InstallReport& restored) {
    if (restored.test_after.ok() || installation.restart.empty()) return {};
    return "; the service was not restarted, for " + command_line(installation.test) +
           " fails: " + words_of(restored.test_after);
}

base::Error reload_failed(const Installation& installation, const CommandReport& reload,
                          std::string_view certificate, const std::string& seen) {
    return {.code = Code::DeployReloadFailed,
            .message = with_seen("the new files are in place, but " + command_line(installation.reload) +
                                     " did not work: " + words_of(reload),
                                 seen),
            .hint = "repair it, then  " + deploy_again(certificate)};
}

base::Error not_running(const Installation& installation, const CommandReport& reload,
                        std::string_view certificate, const std::string& seen) {
    const std::vector<std::string>& argv = installation.reload;
    const bool is_unit = argv.size() == 3 && argv[0] == "systemctl" && argv[1] == "reload";
    return {
        .code = Code::DeployNotRunning,
        .message = with_seen("the new files are in place; the service was not running and was not started. " +
                                 command_line(argv) + ": " + words_of(reload),
                             seen),
        .hint = (is_unit ? "systemctl start " + argv[2] : std::string("start it")) +
                ", then  renewd verify " + std::string(certificate)};
}

}  // namespace deployers
