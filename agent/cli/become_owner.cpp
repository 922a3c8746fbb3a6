// SPDX-License-Identifier: Apache-2.0
// The order matters: groups, group, user, and what is left of root's rights last.
#include "agent/cli/become_owner.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace agent {

namespace {

using base::Result;

struct Account {
    std::string name{};  // empty: a number without a name
    std::string home{"/"};
    uid_t user = 0;
    gid_t group = 0;

    [[nodiscard]] std::string shown() const { return name.empty() ? std::to_string(user) : name; }
};

Account account_of(const struct stat& directory) {
    Account account{.user = directory.st_uid, .group = directory.st_gid};
    std::array<char, 16384> room{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(directory.st_uid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr) {
        account.name = entry.pw_name;
        account.home = entry.pw_dir;
        account.group = entry.pw_gid;
    }
    return account;
}

/// Keeps the right to listen below port 1024, if we have it, and gives up all others.
bool reduce_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> had{};
    if (::syscall(SYS_capget, &header, had.data()) != 0) return false;
    const std::uint32_t kept = had.front().permitted & (1U << CAP_NET_BIND_SERVICE);
    std::array<__user_cap_data_struct, 2> wanted{};
    wanted.front().permitted = wanted.front().effective = kept;
    return ::syscall(SYS_capset, &header, wanted.data()) == 0;
}

bool change_user(const Account& account) {
    const bool has_groups = account.name.empty() ? ::setgroups(0, nullptr) == 0
                                                 : ::initgroups(account.name.c_str(), account.group) == 0;
    return has_groups && ::setresgid(account.group, account.group, account.group) == 0 &&
           ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
           ::setresuid(account.user, account.user, account.user) == 0 &&
           ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0 && reduce_capabilities();
}

}  // namespace

Result<std::string> become_owner(const std::string& state_dir) {
    struct stat directory{};
    const bool is_ours = ::geteuid() != 0 || ::stat(state_dir.c_str(), &directory) != 0 ||
                         directory.st_uid == 0 || !S_ISDIR(directory.st_mode);
    if (is_ours) return std::string();
    const Account account = account_of(directory);
    // That there is no way back is tried, too.
    if (!change_user(account) || ::setuid(0) == 0) {
        return base::fail(base::Code::StateUnwritable,
                          state_dir + " belongs to user " + account.shown() +
                              ", and this process cannot become that user: " + base::errno_text(errno),
                          "run it as that user:  sudo -u " + account.shown() + " renewd …");
    }
    // NOLINTBEGIN(concurrency-mt-unsafe): there are no threads yet
    (void)::setenv("HOME", account.home.c_str(), 1);
    (void)::setenv("USER", account.shown().c_str(), 1);
    (void)::setenv("LOGNAME", account.shown().c_str(), 1);
    // NOLINTEND(concurrency-mt-unsafe)
    return account.shown();
}

}  // namespace agent
