// SPDX-License-Identifier: Apache-2.0
// `csr` of [certificate.X]: a request of the user's own. Its key is not here and never comes here, so
// whatever would need one is refused before anything is ordered.
#include <algorithm>
#include <filesystem>

#include "agent/config/reading.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"

namespace agent {

using base::Code;

namespace {

constexpr std::size_t kRequestMax = 65536;  // bytes

std::string with_hint(const base::Error& error) {
    return error.message + (error.hint.empty() ? "" : "; " + error.hint);
}

/// Of `wanted`, what is not in `held`: "a, b", or nothing.
std::string missing_from(const std::vector<base::Identifier>& held,
                         const std::vector<base::Identifier>& wanted) {
    std::string text;
    for (const base::Identifier& name : wanted) {
        if (std::ranges::find(held, name) == held.end()) text += (text.empty() ? "" : ", ") + name.value;
    }
    return text;
}

}  // namespace

void read_csr(Section& section, CertificateConfig& certificate) {
    const auto path = section.path("csr");
    if (!path) return;
    certificate.csr = *path;
    // What a link leads to is what counts, as with the configuration itself.
    std::error_code none;
    const auto real = std::filesystem::canonical(*path, none);
    base::SystemFiles files;
    const auto text = base::read_file(files, none ? *path : real.string(), kRequestMax);
    if (!text) {
        section.wrong("csr", text.error().message, Code::ConfigUnreadable);
        return;
    }
    auto request = base::parse_request(*text);
    if (!request) {
        section.wrong("csr", *path + ": " + with_hint(request.error()));
        return;
    }
    certificate.request = std::move(*request);
}

void check_csr_names(Section& section, const CertificateConfig& certificate) {
    if (!certificate.request) return;
    const std::vector<base::Identifier>& asked = certificate.request->names;
    const std::string lacks = missing_from(asked, certificate.names);
    const std::string extra = missing_from(certificate.names, asked);
    if (lacks.empty() && extra.empty()) return;
    section.wrong("names",
                  "are not those of the request " + certificate.csr +
                      (lacks.empty() ? "" : "; it does not ask for " + base::printable(lacks, 400)) +
                      (extra.empty() ? "" : "; it also asks for " + base::printable(extra, 400)) +
                      "; leave \"names\" out, and the request's own are taken",
                  Code::ConfigConflict);
}

void check_csr_use(Section& section, const CertificateConfig& certificate, bool has_own_key_type) {
    if (certificate.csr.empty()) return;
    if (certificate.request && has_own_key_type &&
        base::to_string(certificate.key_type) != certificate.request->key_type) {
        section.wrong("key_type",
                      "is \"" + std::string(base::to_string(certificate.key_type)) +
                          "\", and the key of the request " + certificate.csr + " is " +
                          certificate.request->key_type + "; leave it out: the request has its key",
                      Code::ConfigConflict);
    }
    const toml::node* node = section.node("target");
    const toml::array* list = node == nullptr ? nullptr : node->as_array();
    const std::size_t targets = list == nullptr ? 0 : list->size();
    if (targets != 1) {
        section.wrong(
            "csr",
            "needs exactly one target, where the key of the request is; there are " + std::to_string(targets),
            Code::ConfigConflict);
    }
    for (const TargetConfig& target : certificate.targets) {
        const std::string_view form = deployers::key_with_private_key(target.parameters);
        if (form.empty()) continue;
        section.wrong("csr",
                      "the private key is not here, and \"" + std::string(form) + "\" of target " +
                          target.name +
                          " would hold it; give fixed paths without a key (fullchain, or cert and chain), "
                          "and name the key in the server's own configuration",
                      Code::ConfigConflict);
    }
}

}  // namespace agent
