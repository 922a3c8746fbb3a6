// SPDX-License-Identifier: Apache-2.0
// http-01 by a listener of our own: it exists only while something is presented, and knows nothing but these
// answers.
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include "acme/limits.hpp"
#include "acme/solvers/http_01.hpp"
#include "acme/solvers/http_answer.hpp"
#include "acme/solvers/listen_socket.hpp"
#include "acme/solvers/peer_server.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr ListenAdvice kAdvice{
    .busy = "let the web server that has the port answer: webroot = \"…\"",
    .denied = "use webroot = \"…\"",
};

/// The presented answers. Thread safe: the server's thread reads while the flows add and remove.
class Answers {
  public:
    void put(const ChallengeTask& task) {
        const std::scoped_lock lock(mutex_);
        answers_[task.token] = task.key_authorization;
    }

    /// True if none is left.
    bool remove(const std::string& token) {
        const std::scoped_lock lock(mutex_);
        answers_.erase(token);
        return answers_.empty();
    }

    [[nodiscard]] std::optional<std::string> find(std::string_view token) const {
        const std::scoped_lock lock(mutex_);
        const auto found = answers_.find(token);
        if (found == answers_.end()) return std::nullopt;
        return found->second;
    }

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::string, std::less<>> answers_;
};

/// One request, its answer, and then whatever else comes is read away: to close a socket with something
/// unread in it resets the connection, and the answer may be lost on its way.
class Exchange {
  public:
    Exchange(int socket, const Answers& answers) : socket_(socket), answers_(answers) {}

    short go_on() {
        if (!is_answered_ && !receive()) return 0;
        if (!is_answered_) return POLLIN;
        if (!answer_.empty() && !send()) return 0;
        if (!answer_.empty()) return POLLOUT;
        return drain() ? short{POLLIN} : short{0};
    }

  private:
    static constexpr std::size_t kDrainedMax = std::size_t{64} * 1024;

    /// What a call on a socket that does not block came to: bytes, 0 at the end, less for an error.
    static bool would_block(ssize_t result) {
        return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    }

    /// False where the peer is gone.
    bool receive() {
        std::array<char, kHttpHeadMax> buffer{};
        const ssize_t got = ::recv(socket_, buffer.data(), buffer.size() - received_.size(), 0);
        if (would_block(got)) return true;
        if (got <= 0) return false;
        received_.append(buffer.data(), static_cast<std::size_t>(got));
        auto answer = answer_http(received_, [this](std::string_view token) { return answers_.find(token); });
        if (!answer) return true;
        is_answered_ = true;
        answer_ = std::move(*answer);
        received_ = {};
        return true;
    }

    bool send() {
        const ssize_t sent = ::send(socket_, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        if (would_block(sent)) return true;
        if (sent < 0) return false;
        answer_.erase(0, static_cast<std::size_t>(sent));
        if (answer_.empty()) ::shutdown(socket_, SHUT_WR);
        return true;
    }

    /// True until the peer has hung up, too, or has sent far more than anybody needs.
    bool drain() {
        std::array<char, 4096> buffer{};
        const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
        if (would_block(got)) return true;
        if (got <= 0) return false;
        drained_ += static_cast<std::size_t>(got);
        return drained_ < kDrainedMax;
    }

    int socket_;
    const Answers& answers_;
    std::string received_;
    std::string answer_;  // what is still to be sent
    bool is_answered_ = false;
    std::size_t drained_ = 0;
};

class ListenerSolver final : public Solver {
  public:
    explicit ListenerSolver(const std::string& listen) : listen_(parse_listen(listen)) {}

    [[nodiscard]] std::string_view type() const override { return "http-01"; }

    [[nodiscard]] bool outlives_us() const override { return false; }

    Result<void> present(const ChallengeTask& task) override {
        if (!base::is_base64url(task.token, kTokenBytesMax)) {
            return base::fail(Code::SolverPresent,
                              "\"" + base::printable(task.token, 80) + "\" is no challenge token");
        }
        const std::scoped_lock lock(server_mutex_);
        if (!server_) TRY(open());
        answers_.put(task);
        return {};
    }

    Result<void> clean_up(const ChallengeTask& task) override {
        const std::scoped_lock lock(server_mutex_);
        if (answers_.remove(task.token)) server_.reset();
        return {};
    }

  private:
    Result<void> open() {
        if (!listen_) return base::Failure(listen_.error());
        const auto greet = [this](int socket) -> PeerStep {
            return [exchange = Exchange(socket, answers_)]() mutable { return exchange.go_on(); };
        };
        server_ = TRY(
            PeerServer::start(TRY(open_listen_sockets(*listen_, kAdvice)), greet, "the answer for http-01"));
        return {};
    }

    Result<ListenAddress> listen_;
    Answers answers_;          // outlives the server, which reads it
    std::mutex server_mutex_;  // never held by the server's thread: closing waits for it
    std::unique_ptr<PeerServer> server_;
};

}  // namespace

std::unique_ptr<Solver> make_listener_solver(const std::string& listen) {
    return std::make_unique<ListenerSolver>(listen);
}

}  // namespace acme
