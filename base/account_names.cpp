// SPDX-License-Identifier: Apache-2.0
// Users and groups by name, as the system's own databases know them (NSS: files, LDAP, systemd …).
#include <cerrno>
#include <vector>

#include <grp.h>
#include <pwd.h>

#include "base/file.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr std::size_t kEntrySizeMax = std::size_t{4} * 1024 * 1024;  // a group of some 100,000 members

/// The id that `text` is the decimal number of. The largest means "leave as it is" to chown(2) and belongs to
/// nobody.
std::optional<id_t> parse_id(const std::string& text) {
    const auto id = parse_number<id_t>(text);
    return id == static_cast<id_t>(-1) ? std::nullopt : id;
}

/// Asks getpwnam_r or getgrnam_r, with as much room as the answer needs.
template <class Entry, class Ask>
Result<id_t> look_up(std::string_view kind, const std::string& name, id_t Entry::* id, Ask ask) {
    if (const auto number = parse_id(name)) return *number;
    Entry entry{};
    Entry* found = nullptr;
    std::vector<char> room(std::size_t{16} * 1024);
    int error = ask(name.c_str(), &entry, room.data(), room.size(), &found);
    while (error == EINTR || (error == ERANGE && room.size() < kEntrySizeMax)) {
        if (error == ERANGE) room.resize(room.size() * 2);
        error = ask(name.c_str(), &entry, room.data(), room.size(), &found);
    }
    if (found != nullptr) return entry.*id;
    // getpwnam(3): these numbers, too, are ways to say that there is no such name.
    const bool unknown = error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
    const std::string who = std::string(kind) + " '" + name + "'";
    if (unknown) return fail(Code::ConfigWrongValue, "there is no " + who + " on this machine");
    return fail(Code::FileIo, "the system cannot look up the " + who + ": " + errno_text(error));
}

}  // namespace

Result<uid_t> user_id(const std::string& name) {
    return look_up("user", name, &passwd::pw_uid, ::getpwnam_r);
}

Result<gid_t> group_id(const std::string& name) {
    return look_up("group", name, &group::gr_gid, ::getgrnam_r);
}

}  // namespace base
