// SPDX-License-Identifier: Apache-2.0
// http-01 by files below somebody else's web server. The token is the CA's, the directory may be writable for
// others: the one is checked again, the other is not followed through links (lego CVE-2026-40611,
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
        for (const std::string& folder : folders()) {
            auto info = files_.info(folder);
            if (!info && info.error().code == Code::FileNotFound) return {};
            TRY(check_folder(folder, info));
        }
        auto removed = files_.unlink(path_of(task));
        if (!removed && removed.error().code != Code::FileNotFound) return removed;
        // After a power loss it would be back, and nobody would know of it. Where the directory is not ours
        // to sync, that is all it costs.
        if (removed) static_cast<void>(base::sync_directory(files_, folders().back()));
        return {};
    }

  private:
    [[nodiscard]] std::vector<std::string> folders() const {
        return {webroot_ + "/.well-known", webroot_ + "/.well-known/acme-challenge"};
    }

    [[nodiscard]] std::string path_of(const ChallengeTask& task) const {
        return folders().back() + "/" + task.token;
    }

    static Result<void> check_token(const ChallengeTask& task) {
        if (base::is_base64url(task.token, kTokenBytesMax)) return {};
        return base::fail(Code::SolverPresent, "\"" + base::printable(task.token, 80) +
                                                   "\" is no challenge token; no file is made of it");
    }

    static Result<void> check_folder(const std::string& folder, const Result<base::FileInfo>& info) {
        if (!info) return base::Failure(info.error());
        if (info->kind == base::FileKind::Directory) return {};
        const bool link = info->kind == base::FileKind::Symlink;
        return base::fail(
            Code::SolverPresent,
            folder + (link ? " is a symbolic link, which is not followed" : " is not a directory"),
            "name the directory that the web server really serves with `webroot`");
    }

    /// Made with 0755 whatever the umask says; one that is there keeps what it has.
    Result<void> make_folder(const std::string& folder) {
        auto made = files_.make_directory(folder, kDirectoryMode);
        if (!made && made.error().code != Code::FileExists) return made;
        if (made) {
            const base::Descriptor opened = TRY(files_.open(folder, O_RDONLY | O_DIRECTORY, 0));
            return files_.change_mode(opened, kDirectoryMode);
        }
        return check_folder(folder, files_.info(folder));
    }

    Result<void> write(const ChallengeTask& task) {
        TRY(check_token(task));
        if (!base::exists(files_, webroot_)) {
            return base::fail(
                Code::SolverPresent, "there is no webroot " + webroot_,
                "it is the directory that the web server serves http://" + task.identifier.value + "/ from");
        }
        for (const std::string& folder : folders()) TRY(make_folder(folder));
        const std::string path = path_of(task);
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
