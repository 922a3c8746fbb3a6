// SPDX-License-Identifier: Apache-2.0
// http-01 by files below somebody else's web server. The token is the CA's, the directories may belong to
// others, who could change them between a look and a step: the one is checked again, the others are opened
// once, without following links, and everything happens in what was opened (lego CVE-2026-40611,
// certbot#2096).
#include <utility>

#include <fcntl.h>

#include "acme/limits.hpp"
#include "acme/solvers/http_01.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;  // the web server runs as somebody else

/// A directory that stays the same whatever becomes of its name.
class Folder {
  public:
    Folder(base::Descriptor opened, std::string path) : opened_(std::move(opened)), path_(std::move(path)) {}

    /// The name of something in it for calls that take a path, as openat(2) would find it.
    [[nodiscard]] std::string at(std::string_view name) const { return place() + "/" + std::string(name); }

    [[nodiscard]] const std::string& path() const { return path_; }

    /// The error with the path as people know it.
    [[nodiscard]] base::Error named(base::Error error) const {
        const std::size_t found = error.message.find(place() + "/");
        if (found != std::string::npos) error.message.replace(found, place().size(), path_);
        return error;
    }

  private:
    [[nodiscard]] std::string place() const { return "/proc/self/fd/" + std::to_string(opened_.number()); }

    base::Descriptor opened_;
    std::string path_;
};

class WebrootSolver final : public Solver {
  public:
    WebrootSolver(base::Files& files, std::string webroot) : files_(files), webroot_(std::move(webroot)) {
        while (webroot_.size() > 1 && webroot_.ends_with('/')) webroot_.pop_back();
    }

    [[nodiscard]] std::string_view type() const override { return "http-01"; }

    Result<void> present(const ChallengeTask& task) override {
        auto done = write(task);
        if (done) return done;
        base::Error error = std::move(done).error();
        if (error.code == Code::SolverPresent) return base::Failure(std::move(error));
        error.code = Code::SolverPresent;
        if (error.hint.empty()) error.hint = "renewd must be able to write below the webroot " + webroot_;
        return base::Failure(std::move(error).within("the challenge file cannot be written"));
    }

    Result<void> clean_up(const ChallengeTask& task) override {
        TRY(check_token(task));
        auto folder = open_challenges(/*makes=*/false);
        if (!folder && folder.error().code == Code::FileNotFound) return {};
        const Folder challenges = TRY(std::move(folder));
        auto removed = files_.unlink(challenges.at(task.token));
        if (!removed && removed.error().code == Code::FileNotFound) return {};
        if (!removed) return base::Failure(challenges.named(std::move(removed).error()));
        // After a power loss it would be back, and nobody would know of it. Where the directory is not ours
        // to sync, that is all it costs.
        static_cast<void>(base::sync_directory(files_, challenges.at(".")));
        return {};
    }

  private:
    static Result<void> check_token(const ChallengeTask& task) {
        if (base::is_base64url(task.token, kTokenBytesMax)) return {};
        return base::fail(Code::SolverPresent, "\"" + base::printable(task.token, 80) +
                                                   "\" is no challenge token; no file is made of it");
    }

    /// The webroot itself may be a link: it is the administrator's own word.
    Result<Folder> open_webroot() {
        return Folder(TRY(files_.open(webroot_ + "/.", O_PATH | O_DIRECTORY, 0)), webroot_);
    }

    Result<Folder> open_challenges(bool makes) {
        const Folder webroot = TRY(open_webroot());
        const Folder above = TRY(enter(webroot, ".well-known", makes));
        return enter(above, "acme-challenge", makes);
    }

    /// Made with 0755 whatever the umask says; one that is there keeps what it has.
    Result<Folder> enter(const Folder& above, const std::string& name, bool makes) {
        const std::string path = above.path() + "/" + name;
        bool is_new = false;
        if (makes) {
            auto made = files_.make_directory(above.at(name), kDirectoryMode);
            if (!made && made.error().code != Code::FileExists)
                return base::Failure(above.named(std::move(made).error()));
            is_new = made.has_value();
        }
        // Who may only pass through a directory cannot read it: O_PATH is enough for that.
        auto opened = files_.open(above.at(name), O_DIRECTORY | (is_new ? O_RDONLY : O_PATH), 0);
        if (!opened) return base::Failure(why_not(above, name, std::move(opened).error()));
        if (is_new) TRY(files_.change_mode(*opened, kDirectoryMode));
        return Folder(std::move(*opened), path);
    }

    base::Error why_not(const Folder& above, const std::string& name, base::Error error) {
        const auto info = files_.info(above.at(name));
        if (!info || info->kind == base::FileKind::Directory) return above.named(std::move(error));
        const bool is_link = info->kind == base::FileKind::Symlink;
        return {.code = Code::SolverPresent,
                .message = above.path() + "/" + name +
                           (is_link ? " is a symbolic link, which is not followed" : " is not a directory"),
                .hint = "name the directory that the web server really serves with `webroot`"};
    }

    Result<void> write(const ChallengeTask& task) {
        TRY(check_token(task));
        if (!base::exists(files_, webroot_)) {
            return base::fail(
                Code::SolverPresent, "there is no webroot " + webroot_,
                "it is the directory that the web server serves http://" + task.identifier.value + "/ from");
        }
        const Folder challenges = TRY(open_challenges(/*makes=*/true));
        auto written = write_in(challenges, task);
        if (!written) return base::Failure(challenges.named(std::move(written).error()));
        return written;
    }

    Result<void> write_in(const Folder& challenges, const ChallengeTask& task) {
        const std::string path = challenges.at(task.token);
        const base::FileAttributes attributes{.mode = kFileMode};
        auto written = base::write_new_file(files_, path, task.key_authorization, attributes);
        if (written || written.error().code != Code::FileExists) return written;
        // Presented before (idempotent), or left behind by a run that died: nobody but us makes a file of
        // this name.
        const auto there = base::read_file(files_, path, task.key_authorization.size());
        if (there && *there == task.key_authorization) return {};
        TRY(files_.unlink(path));
        return base::write_new_file(files_, path, task.key_authorization, attributes);
    }

    base::Files& files_;
    std::string webroot_;
};

}  // namespace

std::unique_ptr<Solver> make_webroot_solver(base::Files& files, std::string webroot) {
    return std::make_unique<WebrootSolver>(files, std::move(webroot));
}

}  // namespace acme
