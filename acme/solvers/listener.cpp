// SPDX-License-Identifier: Apache-2.0
// http-01 by a listener of our own: it exists only while something is presented, knows nothing but these
// answers, and gives nobody more than five seconds and a handful of bytes.
#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <httplib.h>

#include "acme/limits.hpp"
#include "acme/solvers/http_01.hpp"
#include "acme/solvers/listen_socket.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr std::string_view kPath = "/.well-known/acme-challenge/";
constexpr time_t kTimeoutSeconds = 5;
constexpr std::size_t kBodyBytesMax = 1024;  // nobody has to send one
constexpr std::size_t kThreads = 8;          // CAs look from several places at once

constexpr ListenAdvice kAdvice{
    .busy = "let the web server that has the port answer: webroot = \"…\"",
    .denied = "use webroot = \"…\"",
};

/// The presented answers. Thread safe: the servers' threads read while the flows add and remove.
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

    std::optional<std::string> find(const std::string& path) const {
        if (!path.starts_with(kPath)) return std::nullopt;
        const std::scoped_lock lock(mutex_);
        const auto found = answers_.find(path.substr(kPath.size()));
        if (found == answers_.end()) return std::nullopt;
        return found->second;
    }

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::string> answers_;
};

/// One cpp-httplib server on a socket that is listening already.
class Server final : private httplib::Server {
  public:
    Server(base::Descriptor socket, const Answers& answers) : socket_(std::move(socket)) {
        new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // httplib deletes it
        set_keep_alive_max_count(1);
        set_read_timeout(kTimeoutSeconds);
        set_write_timeout(kTimeoutSeconds);
        set_payload_max_length(kBodyBytesMax);
        set_pre_routing_handler([&answers](const httplib::Request& request, httplib::Response& response) {
            const bool asks = request.method == "GET" || request.method == "HEAD";
            const auto answer = asks ? answers.find(request.path) : std::nullopt;
            response.status = answer ? 200 : 404;
            response.set_content(answer.value_or(""), "application/octet-stream");
            return HandlerResponse::Handled;
        });
    }

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    ~Server() override { finish(); }

    /// Returns once connections are accepted (they wait in the socket's queue until then).
    void start() {
        svr_sock_ = ::fcntl(socket_.number(), F_DUPFD_CLOEXEC, 0);  // httplib closes its own
        thread_ = std::thread([this] {
            listen_after_bind();
            ended_ = true;
        });
        // stop() does nothing to a server that does not run yet.
        while (!is_running() && !ended_) std::this_thread::yield();
    }

    void finish() {
        if (!thread_.joinable()) return;
        stop();
        thread_.join();
        socket_.close();
    }

  private:
    base::Descriptor socket_;
    std::atomic<bool> ended_ = false;
    std::thread thread_;
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
        const std::scoped_lock lock(servers_mutex_);
        if (servers_.empty()) TRY(open());
        answers_.put(task);
        return {};
    }

    Result<void> clean_up(const ChallengeTask& task) override {
        const std::scoped_lock lock(servers_mutex_);
        if (answers_.remove(task.token)) servers_.clear();
        return {};
    }

  private:
    Result<void> open() {
        if (!listen_) return base::Failure(listen_.error());
        std::vector<base::Descriptor> sockets = TRY(open_listen_sockets(*listen_, kAdvice));
        for (base::Descriptor& socket : sockets) {
            servers_.push_back(std::make_unique<Server>(std::move(socket), answers_));
            servers_.back()->start();
        }
        return {};
    }

    Result<ListenAddress> listen_;
    Answers answers_;           // outlives the servers, which read it
    std::mutex servers_mutex_;  // never held by a server's thread: closing waits for these
    std::vector<std::unique_ptr<Server>> servers_;
};

}  // namespace

std::unique_ptr<Solver> make_listener_solver(const std::string& listen) {
    return std::make_unique<ListenerSolver>(listen);
}

}  // namespace acme
