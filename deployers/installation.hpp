// SPDX-License-Identifier: Apache-2.0
// What a deployer wants done on a host, as plain data: which files, which config test, which reload. It has
// one serialised form, the bundle, which every executor takes: this process, the remote side of an SSH
// connection, and later the root helper. It says what is to be true, not how to get there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"

namespace deployers {

struct FilePlan {
    std::string path{};  // absolute
    base::Secret content{};
    std::string owner{"root"};
    std::string group{"root"};
    int mode = 0600;
};

struct FileDigest {
    std::string path{};
    std::string sha256{};  // lower-case hex of the content
    friend auto operator<=>(const FileDigest&, const FileDigest&) = default;
};

struct Installation {
    /// "certificate/target": names the journal and what lies beside the files while this is under way.
    std::string id{};
    /// Complete new files at paths nobody reads yet (a versioned directory); written and synced before
    /// anything below.
    std::vector<FilePlan> staged{};
    /// Files that are read by the service; replaced in this order by adjacent renames. With `include` it is
    /// one file.
    std::vector<FilePlan> published{};
    /// What may be there now and be a proven pair: one set for each earlier generation of ours, its published
    /// files and, with `include`, those of its version.
    std::vector<std::vector<FileDigest>> known{};
    /// The directory that holds the versions (form `include`), and the entries in it that stay at commit;
    /// empty otherwise.
    std::string versions{};
    std::vector<std::string> versions_kept{};
    /// argv; empty: none.
    std::vector<std::string> test{};
    std::vector<std::string> reload{};
    std::vector<std::string> restart{};
    base::Seconds command_deadline{30};  // for each of these commands
    base::Seconds deadline{300};  // for the executor as a whole; then it keeps what is proven and ends.
                                  // deploy() sets it: it must outlast the verification
};

/// "<number>-<first 8 hex digits of the leaf's SHA-256>": what an entry of `versions` is called. Only such
/// are ever removed.
[[nodiscard]] bool is_version_name(std::string_view name);

/// The digests the published files have once this is installed.
[[nodiscard]] std::vector<FileDigest> digests_of(const Installation& installation);

/// The rules every executor relies on: absolute, normal paths without control characters, owners and modes
/// that are some, at least one published file, bounded sizes. deploy/unsafe-path for a path,
/// config/wrong-value for the rest.
[[nodiscard]] base::Result<void> check(const Installation& installation);

/// The serialised form (docs/installation.md): lines, then the files' bytes, each length-prefixed. Only for
/// an installation that passes check(). It holds the keys.
[[nodiscard]] base::Secret to_bundle(const Installation& installation);
/// Strict inverse of to_bundle(), digests and check() included. host/protocol, or what check() says.
[[nodiscard]] base::Result<Installation> parse_bundle(std::string_view bundle);

}  // namespace deployers
