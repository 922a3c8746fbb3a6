// SPDX-License-Identifier: Apache-2.0
#include "tests/sweep/seams.hpp"

#include <fcntl.h>

#include "base/outward.hpp"

namespace sweep {

using base::Code;
using base::Result;

namespace {

base::Failure broken(const std::string& what) {
    return base::fail(Code::FileIo, "cannot " + what + ": injected input/output error");
}

base::Failure full(const std::string& what) {
    return base::fail(Code::StateNoSpace, "cannot " + what + ": injected: no space left on device");
}

}  // namespace

template <class Call>
auto SweptFiles::counted(const std::string& what, Call call) -> decltype(call()) {
    if (fate_.call(what, /*allocates=*/false) == Verdict::Fail) return broken(what);
    return call();
}

/// A new file of no size: a name and an inode.
template <class Call>
Result<void> SweptFiles::making(const std::string& what, const std::string& path, Call call) {
    if (fate_.call(what, /*allocates=*/true) == Verdict::Fail) return broken(what);
    if (fate_.disk().is_full() && !base::exists(system_, path) && !fate_.disk().take_inode())
        return full(what);
    return call();
}

Result<base::Descriptor> SweptFiles::open(const std::string& path, int flags, mode_t mode) {
    const bool makes = (flags & O_CREAT) != 0 && !base::exists(system_, path);
    const std::string what = (makes ? "create " : "open ") + path;
    if (fate_.call(what, makes) == Verdict::Fail) return broken(what);
    if (makes && fate_.disk().is_full() && !fate_.disk().take_inode()) return full(what);
    auto opened = system_.open(path, flags, mode);
    if (opened && makes) fate_.disk().after_create(path);
    return opened;
}

Result<std::string> SweptFiles::read(const base::Descriptor& file, std::size_t size_max) {
    return counted("read", [&] { return system_.read(file, size_max); });
}

Result<std::size_t> SweptFiles::write(const base::Descriptor& file, std::string_view bytes) {
    fate_.disk().before_write(file);
    const auto half = [&] { (void)system_.write(file, bytes.substr(0, bytes.size() / 2)); };
    if (fate_.call("write " + std::to_string(bytes.size()), /*allocates=*/true, half) == Verdict::Fail)
        return broken("write");
    if (fate_.disk().is_full() && !fate_.disk().take(bytes.size())) return full("write");
    return system_.write(file, bytes);
}

Result<void> SweptFiles::change_owner(const base::Descriptor& file, uid_t uid, gid_t gid) {
    return counted("chown", [&] { return system_.change_owner(file, uid, gid); });
}

Result<void> SweptFiles::change_mode(const base::Descriptor& file, mode_t mode) {
    return counted("chmod", [&] { return system_.change_mode(file, mode); });
}

Result<void> SweptFiles::sync(const base::Descriptor& file) {
    return counted("sync", [&] {
        auto synced = system_.sync(file);
        if (synced) fate_.disk().after_sync(file);
        return synced;
    });
}

Result<void> SweptFiles::rename(const std::string& from, const std::string& to) {
    return counted("rename " + from + " " + to, [&] {
        const std::string saved = fate_.disk().save(to);
        fate_.disk().give_back(to);
        auto renamed = system_.rename(from, to);
        if (renamed) fate_.disk().after_rename(from, to, saved);
        return renamed;
    });
}

Result<void> SweptFiles::link(const std::string& from, const std::string& to) {
    return counted("link " + to, [&] {
        auto linked = system_.link(from, to);
        if (linked) fate_.disk().after_link(to);
        return linked;
    });
}

Result<void> SweptFiles::symlink(const std::string& text, const std::string& path) {
    return making("symlink " + path, path, [&] {
        auto made = system_.symlink(text, path);
        if (made) fate_.disk().after_create(path);
        return made;
    });
}

Result<void> SweptFiles::unlink(const std::string& path) {
    return counted("unlink " + path, [&] {
        const std::string saved = fate_.disk().save(path);
        fate_.disk().give_back(path);
        auto removed = system_.unlink(path);
        if (removed) fate_.disk().after_remove(path, saved);
        return removed;
    });
}

Result<void> SweptFiles::make_directory(const std::string& path, mode_t mode) {
    return making("mkdir " + path, path, [&] {
        auto made = system_.make_directory(path, mode);
        if (made) fate_.disk().after_make_directory(path);
        return made;
    });
}

Result<void> SweptFiles::remove_directory(const std::string& path) {
    return counted("rmdir " + path, [&] {
        fate_.disk().give_back(path);
        auto removed = system_.remove_directory(path);
        if (removed) fate_.disk().after_remove_directory(path);
        return removed;
    });
}

Result<base::FileInfo> SweptFiles::info(const std::string& path) {
    return counted("look at " + path, [&] { return system_.info(path); });
}

Result<base::FileInfo> SweptFiles::info(const base::Descriptor& file) {
    return counted("look", [&] { return system_.info(file); });
}

Result<std::string> SweptFiles::read_symlink(const std::string& path) {
    return counted("read link " + path, [&] { return system_.read_symlink(path); });
}

Result<std::vector<std::string>> SweptFiles::list(const std::string& path) {
    return counted("list " + path, [&] { return system_.list(path); });
}

Result<bool> SweptFiles::lock(const base::Descriptor& file) {
    return counted("lock", [&] { return system_.lock(file); });
}

Result<std::uint64_t> SweptFiles::free_bytes(const std::string& path) {
    return counted("free space " + path, [&]() -> Result<std::uint64_t> {
        if (fate_.disk().is_full()) return fate_.disk().free_bytes();
        return system_.free_bytes(path);
    });
}

Result<bool> SweptFiles::is_in_memory(const std::string& path) {
    return counted("file system " + path, [&] { return system_.is_in_memory(path); });
}

Result<base::HttpResponse> SweptTransport::exchange(const base::HttpRequest& request) {
    return std::move(exchange_all({&request, 1}).front());
}

std::vector<Result<base::HttpResponse>> SweptTransport::exchange_all(
    std::span<const base::HttpRequest> requests) {
    const auto lost = [](const base::HttpRequest& request) {
        return base::fail(Code::NetUnreachable, request.url + ": injected: no answer");
    };
    std::vector<base::HttpRequest> sent;
    std::vector<bool> is_sent;
    for (const base::HttpRequest& request : requests) {
        is_sent.push_back(fate_.call(request.method + " " + request.url, /*allocates=*/false) ==
                          Verdict::GoOn);
        if (is_sent.back()) sent.push_back(request);
    }
    std::vector<Result<base::HttpResponse>> answers = curl_.exchange_all(sent);
    std::vector<Result<base::HttpResponse>> all;
    for (std::size_t i = 0, answered = 0; i < requests.size(); ++i) {
        if (!is_sent[i]) {
            all.emplace_back(lost(requests[i]));
            continue;
        }
        const Verdict heard =
            fate_.call("answer to " + requests[i].method + " " + requests[i].url, /*allocates=*/false);
        all.push_back(heard == Verdict::GoOn ? std::move(answers[answered])
                                             : Result<base::HttpResponse>(lost(requests[i])));
        ++answered;
    }
    return all;
}

namespace {

Fate* the_fate = nullptr;

bool tell(std::string_view what, std::string_view whom) {
    return the_fate->call(std::string(what) + " " + std::string(whom), /*allocates=*/false) == Verdict::GoOn;
}

}  // namespace

void listen_to_the_rest(Fate& fate) {
    the_fate = &fate;
    base::outward_listener = &tell;
}

}  // namespace sweep
