// SPDX-License-Identifier: Apache-2.0
// The real files and the real network, with every call counted.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/http.hpp"
#include "tests/sweep/fate.hpp"

namespace sweep {

class SweptFiles final : public base::Files {
  public:
    explicit SweptFiles(Fate& fate) : fate_(fate) {}

    base::Result<base::Descriptor> open(const std::string& path, int flags, mode_t mode) override;
    base::Result<std::string> read(const base::Descriptor& file, std::size_t size_max) override;
    base::Result<std::size_t> write(const base::Descriptor& file, std::string_view bytes) override;
    base::Result<void> change_owner(const base::Descriptor& file, uid_t uid, gid_t gid) override;
    base::Result<void> change_mode(const base::Descriptor& file, mode_t mode) override;
    base::Result<void> sync(const base::Descriptor& file) override;
    base::Result<void> rename(const std::string& from, const std::string& to) override;
    base::Result<void> link(const std::string& from, const std::string& to) override;
    base::Result<void> symlink(const std::string& text, const std::string& path) override;
    base::Result<void> unlink(const std::string& path) override;
    base::Result<void> make_directory(const std::string& path, mode_t mode) override;
    base::Result<void> remove_directory(const std::string& path) override;
    base::Result<base::FileInfo> info(const std::string& path) override;
    base::Result<base::FileInfo> info(const base::Descriptor& file) override;
    base::Result<std::string> read_symlink(const std::string& path) override;
    base::Result<std::vector<std::string>> list(const std::string& path) override;
    base::Result<bool> lock(const base::Descriptor& file) override;
    base::Result<std::uint64_t> free_bytes(const std::string& path) override;
    base::Result<bool> is_in_memory(const std::string& path) override;

  private:
    template <class Call>
    auto counted(const std::string& what, Call call) -> decltype(call());
    template <class Call>
    base::Result<void> making(const std::string& what, const std::string& path, Call call);

    Fate& fate_;
    base::SystemFiles system_;
};

class SweptTransport final : public base::Transport {
  public:
    explicit SweptTransport(Fate& fate) : fate_(fate), curl_("renewd-sweep") {}

    base::Result<base::HttpResponse> exchange(const base::HttpRequest& request) override;
    std::vector<base::Result<base::HttpResponse>> exchange_all(
        std::span<const base::HttpRequest> requests) override;

  private:
    Fate& fate_;
    base::CurlTransport curl_;
};

/// The rest: programs and sockets announce themselves to base::outward_listener, which is set to this. `fate`
/// must outlive the process.
void listen_to_the_rest(Fate& fate);

}  // namespace sweep
