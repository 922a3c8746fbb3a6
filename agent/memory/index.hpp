// SPDX-License-Identifier: Apache-2.0
// When each certificate is next due, in one file, so that a start need not open every record. It is derived:
// whoever is about to change a certificate first notes its name, and what is noted, missing or damaged is
// planned anew from its record.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace agent {

struct IndexEntry {
    base::Instant due{};
    std::uint64_t fingerprint = 0;  // of the configuration it was planned with
    /// From when on its time is short; absent in an index of before that was noted.
    std::optional<base::Instant> pressing_at{};
    friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

using Index = std::map<std::string, IndexEntry, std::less<>>;

/// With a digest at its end.
[[nodiscard]] std::string to_text(const Index& index);
/// state/corrupt.
[[nodiscard]] base::Result<Index> parse_index(std::string_view text);

/// Of one state directory.
class IndexFile {
  public:
    IndexFile(base::Files& files, std::string state_dir)
        : files_(files), place_(std::move(state_dir) + "/index") {}

    /// What can be relied on; everything else is left out.
    [[nodiscard]] Index load() const;
    /// Is there anything that load() had to leave out for having been noted?
    [[nodiscard]] bool has_notes() const;
    /// Replaces it, and takes the notes away: what another process has noted since is left out of it.
    /// state/….
    [[nodiscard]] base::Result<void> save(const Index& index) const;
    /// The certificate is about to change, at the hands of this process. Durable when it returns; where there
    /// is no room for it, the index goes. state/….
    [[nodiscard]] base::Result<void> note_change(const std::string& certificate) const;

  private:
    base::Files& files_;
    std::string place_;
};

}  // namespace agent
