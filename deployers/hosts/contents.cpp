// SPDX-License-Identifier: Apache-2.0
// A reader that takes PEM apart to the last byte.
#include "deployers/hosts/contents.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/certificate.hpp"
#include "base/encoding.hpp"
#include "base/key.hpp"
#include "base/text.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr int kForOthers = 0007;
constexpr std::size_t kCertificatesMax = 20;  // of one file; chains have two to four
constexpr std::array<std::string_view, 3> kKeyLabels{"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"};
/// What an include file may say (nginx.cpp writes these): each names one file.
constexpr std::array<std::string_view, 2> kDirectives{"ssl_certificate", "ssl_certificate_key"};

base::Failure refuse(const FilePlan& file, const std::string& why) {
    return base::fail(Code::DeployNotAllowed, "nothing was touched: " + file.path + " " + why,
                      "root writes certificates, their keys, and include files that name them; nothing else");
}

/// One block from "-----BEGIN" to the end of its "-----END" line; empty where the text is no such block. Only
/// base64 in between: no headers, no remarks.
std::string_view take_block(std::string_view& text, std::string_view& label) {
    constexpr std::string_view kBegin = "-----BEGIN ";
    constexpr std::string_view kDashes = "-----";
    const std::string_view whole = text;
    const std::string_view first = base::take_until(text, '\n');
    if (!first.starts_with(kBegin) || !first.ends_with(kDashes) ||
        first.size() <= kBegin.size() + kDashes.size())
        return {};
    label = first.substr(kBegin.size(), first.size() - kBegin.size() - kDashes.size());
    const std::string last = "-----END " + std::string(label) + "-----";
    while (!text.empty()) {
        const std::string_view line = base::take_until(text, '\n');
        if (line == last) return whole.substr(0, whole.size() - text.size());
        constexpr std::string_view kBase64 =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
        if (line.empty() || line.find_first_not_of(kBase64) != std::string_view::npos) return {};
    }
    return {};
}

/// Empty, or why it is no PEM of ours. Says with `keys` how many private keys are in it. A file without
/// anything in it would take away what another file of that name (a list of who is kept out) was there for.
std::string pem_fault(std::string_view text, std::size_t& keys) {
    if (text.empty()) return "is empty";
    std::size_t certificates = 0;
    while (!text.empty()) {
        std::string_view label;
        const std::string_view block = take_block(text, label);
        if (block.empty()) return "is not PEM from its first byte to its last";
        if (label == "CERTIFICATE") {
            if (!base::parse_chain(block, 1)) return "holds a CERTIFICATE that is none";
            if (++certificates > kCertificatesMax) return "holds more certificates than any chain has";
        } else if (std::ranges::find(kKeyLabels, label) != kKeyLabels.end()) {
            if (!base::PrivateKey::parse(base::Secret(std::string(block))))
                return "holds a private key that is none";
            if (++keys > 1) return "holds more than one private key";
        } else {
            return "holds a block of another kind: " + base::printable(label, 80);
        }
    }
    return {};
}

/// DIRECTIVE "PATH"; with the path of a staged file. A path that could end the quotes, or mean something else
/// within them, would be a way to write any directive there is.
bool is_directive(std::string_view line, const Installation& installation) {
    const auto says = [&](std::string_view directive, const std::string& path) {
        return path.find_first_of("\"\\$") == std::string::npos &&
               line == std::string(directive) + " \"" + path + "\";";
    };
    return std::ranges::any_of(kDirectives, [&](std::string_view directive) {
        return std::ranges::any_of(installation.staged,
                                   [&](const FilePlan& file) { return says(directive, file.path); });
    });
}

bool is_comment(std::string_view line) {
    return line.starts_with("# ") && std::ranges::none_of(line, [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
           });
}

bool is_include(const FilePlan& file, const Installation& installation) {
    std::string_view text = file.content.reveal();
    if (!text.ends_with('\n')) return false;
    bool has_directive = false;
    while (!text.empty()) {
        const std::string_view line = base::take_until(text, '\n');
        if (is_comment(line)) continue;
        if (!is_directive(line, installation)) return false;
        has_directive = true;
    }
    return has_directive;
}

base::Result<void> check_pem(const FilePlan& file) {
    std::size_t keys = 0;
    const std::string fault = pem_fault(file.content.reveal(), keys);
    if (!fault.empty()) return refuse(file, fault);
    if (keys > 0 && (file.mode & kForOthers) != 0)
        return refuse(file, "holds the private key, and its mode lets every user of the machine at it");
    return {};
}

/// Names like those of what lies beside the files are not given to files.
base::Result<void> check_name(const FilePlan& file) {
    if (file.path.find("/.renewd-") == std::string::npos) return {};
    return refuse(file, "has a name that is kept for what lies beside the files");
}

}  // namespace

base::Result<void> check_contents(const Installation& installation) {
    for (const FilePlan& file : installation.staged) {
        TRY(check_name(file));
        TRY(check_pem(file));
    }
    for (const FilePlan& file : installation.published) {
        TRY(check_name(file));
        if (!is_include(file, installation)) TRY(check_pem(file));
    }
    return {};
}

}  // namespace deployers
