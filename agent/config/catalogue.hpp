// SPDX-License-Identifier: Apache-2.0
// A configuration for a process that lives for years, with tens of thousands of certificates of which few are
// being worked on: it keeps the files as texts, knows where each certificate stands in them, and reads one
// when it is asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/config.hpp"

namespace agent {

/// A piece of one file; whole lines.
struct Slice {
    std::uint32_t begin = 0;  // bytes
    std::uint32_t size = 0;
    std::uint32_t line = 1;  // the number of its first one
    friend bool operator==(const Slice&, const Slice&) = default;
};

/// Where one certificate stands.
struct Listed {
    std::string name{};
    std::uint64_t fingerprint = 0;
    std::uint32_t file = 0;
    std::vector<Slice> slices{};
    friend bool operator==(const Listed&, const Listed&) = default;
};

/// What can be kept of a catalogue, beside the files themselves.
struct CatalogueList {
    std::vector<std::uint32_t> ground{};  // the files in which something else stands than certificates
    std::vector<Listed> certificates{};   // sorted by name
    friend bool operator==(const CatalogueList&, const CatalogueList&) = default;
};

/// Changes whenever the plan for a certificate might.
using Fingerprint = std::function<std::uint64_t(const Config& ground, const CertificateConfig& certificate)>;

class Catalogue {
  public:
    /// Reads all of it; all problems found.
    [[nodiscard]] static tl::expected<Catalogue, std::vector<base::Error>> read(
        std::shared_ptr<const ConfigFiles> files, const Fingerprint& fingerprint);
    /// Of files that were read before, and have this list: only what is no certificate is read.
    [[nodiscard]] static tl::expected<Catalogue, std::vector<base::Error>> recall(
        std::shared_ptr<const ConfigFiles> files, CatalogueList list);

    Catalogue(const Catalogue&) = delete;
    Catalogue& operator=(const Catalogue&) = delete;
    Catalogue(Catalogue&&) noexcept;
    Catalogue& operator=(Catalogue&&) noexcept;
    ~Catalogue();

    /// Everything but certificates.
    [[nodiscard]] const Config& ground() const { return ground_; }

    [[nodiscard]] const CatalogueList& list() const { return list_; }

    [[nodiscard]] const ConfigFiles& files() const { return *files_; }

    [[nodiscard]] const Listed* find(std::string_view name) const;

    /// Reads one. usage/wrong where there is none of this name; config/… where something outside the files,
    /// such as a request, is not any more as it was. Thread safe.
    [[nodiscard]] base::Result<CertificateConfig> certificate(std::string_view name) const;

  private:
    struct Defaults;
    [[nodiscard]] static tl::expected<Catalogue, std::vector<base::Error>> read_all(
        std::shared_ptr<const ConfigFiles> files, const Fingerprint& fingerprint);
    void set_down_anew();
    explicit Catalogue(std::shared_ptr<const ConfigFiles> files);

    std::shared_ptr<const ConfigFiles> files_;
    Config ground_;
    CatalogueList list_;
    std::unique_ptr<Defaults> defaults_;  // [defaults], as it is written
};

/// With the digest of the texts it belongs to, and its own.
[[nodiscard]] std::string to_text(const CatalogueList& list, const ConfigFiles& files);
/// Nothing where it is damaged, or belongs to other texts or another version of renewd.
[[nodiscard]] std::optional<CatalogueList> parse_catalogue(std::string_view text, const ConfigFiles& files);

}  // namespace agent
