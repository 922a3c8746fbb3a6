// SPDX-License-Identifier: Apache-2.0
// Peers for the HTTP tests, on loopback, on ports the kernel chose: a real nginx, and a server that answers
// with fixed bytes, for all the answers that no decent server would give.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/base/temporary_directory.hpp"

namespace tests {

/// A TCP port of 127.0.0.1, held as long as this lives. Unless it listens, connecting to it is refused.
class LoopbackPort {
  public:
    explicit LoopbackPort(bool listening = true) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        auto* plain = reinterpret_cast<sockaddr*>(&address);
        if (::bind(socket_, plain, size) != 0 || ::getsockname(socket_, plain, &size) != 0 ||
            (listening && ::listen(socket_, 64) != 0)) {
            throw std::runtime_error("no loopback port to be had");
        }
        port_ = std::to_string(ntohs(address.sin_port));
    }

    LoopbackPort(const LoopbackPort&) = delete;
    LoopbackPort& operator=(const LoopbackPort&) = delete;

    ~LoopbackPort() { ::close(socket_); }

    [[nodiscard]] int socket() const { return socket_; }

    [[nodiscard]] const std::string& port() const { return port_; }

  private:
    int socket_;
    std::string port_;
};

/// A port of ::1 that takes no connection and refuses none, as a broken line does: its queue is full.
class SilentPort {
  public:
    explicit SilentPort(const std::string& port) {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_addr = in6addr_loopback;
        address.sin6_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
        auto* plain = reinterpret_cast<sockaddr*>(&address);
        for (int& each : sockets_) each = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (::bind(sockets_[0], plain, sizeof(address)) != 0 || ::listen(sockets_[0], 0) != 0)
            throw std::runtime_error("no port of ::1 to be had");
        for (std::size_t i = 1; i < sockets_.size(); ++i)
            (void)::connect(sockets_[i], plain, sizeof(address));
    }

    SilentPort(const SilentPort&) = delete;
    SilentPort& operator=(const SilentPort&) = delete;

    ~SilentPort() {
        for (const int each : sockets_) ::close(each);
    }

  private:
    std::array<int, 4> sockets_{};  // it, and those that fill its queue
};

/// nginx with a `server` block of the test's own; "PORT" in it becomes the port, "DIR" the server's
/// directory.
class Nginx {
  public:
    Nginx(const std::string& server, const std::string& certificate_pem, const std::string& key_pem) {
        std::ofstream(directory_ / "cert.pem") << certificate_pem;
        std::ofstream(directory_ / "key.pem") << key_pem;
        std::ofstream(directory_ / "nginx.conf") << filled_in(
            "daemon off; user root; worker_processes 1; pid DIR/pid; error_log DIR/error.log; events {}\n"
            "http { access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy;\n"
            "fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;\n"
            "ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;\n"
            "server {\n" +
            server + "\n} }\n");
        start();
    }

    Nginx(const Nginx&) = delete;
    Nginx& operator=(const Nginx&) = delete;

    ~Nginx() {
        ::kill(child_, SIGTERM);  // the master takes its worker along
        ::waitpid(child_, nullptr, 0);
    }

    [[nodiscard]] std::string url(const std::string& path) const {
        return "https://127.0.0.1:" + listener_.port() + path;
    }

    /// Where its files are: what is written to `directory() / NAME` is there to be served.
    [[nodiscard]] const TemporaryDirectory& directory() const { return directory_; }

  private:
    [[nodiscard]] std::string filled_in(std::string text) const {
        for (const auto& [name, value] : {std::pair<std::string, std::string>{"DIR", directory_.path()},
                                          std::pair<std::string, std::string>{"PORT", listener_.port()}}) {
            for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size()) {
                text.replace(at, name.size(), value);
            }
        }
        return text;
    }

    /// nginx takes a listening socket over from the variable NGINX, as it does in its own upgrades. So nobody
    /// else can get the port, and connections wait in the queue until it is up. (Its `master_process off`
    /// crashes on that: 1.22.)
    void start() {
        const std::string configuration = directory_ / "nginx.conf";
        const std::string log = directory_ / "error.log";
        std::vector<std::string> arguments{"/usr/sbin/nginx", "-e", log, "-c", configuration};
        std::vector<char*> argv;
        argv.reserve(arguments.size() + 1);
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        std::string inherited = "NGINX=9;";
        std::array<char*, 2> environment{inherited.data(), nullptr};
        posix_spawn_file_actions_t actions{};
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, listener_.socket(), 9);
        ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        const int outcome =
            ::posix_spawn(&child_, argv[0], &actions, nullptr, argv.data(), environment.data());
        ::posix_spawn_file_actions_destroy(&actions);
        if (outcome != 0) throw std::runtime_error("/usr/sbin/nginx cannot be started: install nginx");
    }

    TemporaryDirectory directory_;
    LoopbackPort listener_;
    pid_t child_ = -1;
};

/// Reads one request from each connection and answers it with the same bytes; no TLS.
class FixedServer {
  public:
    enum class Then { Close, Hold };

    explicit FixedServer(std::string answer, Then then = Then::Close)
        : answer_(std::move(answer)), then_(then), thread_([this] { serve(); }) {}

    FixedServer(const FixedServer&) = delete;
    FixedServer& operator=(const FixedServer&) = delete;

    ~FixedServer() {
        ::shutdown(listener_.socket(), SHUT_RDWR);  // wakes accept
        thread_.join();
        for (const int connection : held_) ::close(connection);
    }

    [[nodiscard]] const std::string& port() const { return listener_.port(); }

    [[nodiscard]] std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + listener_.port() + path;
    }

    /// Waits for the first request and gives back what arrived of it.
    [[nodiscard]] std::string first_request() {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [this] { return has_request_; });
        return request_;
    }

  private:
    void serve() {
        for (;;) {
            const int connection = ::accept4(listener_.socket(), nullptr, nullptr, SOCK_CLOEXEC);
            if (connection < 0) return;
            std::array<char, 16'384> buffer{};
            const ssize_t size = ::recv(connection, buffer.data(), buffer.size(), 0);
            remember({buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0});
            send_answer(connection);
            // Not closed: with bytes of the client still unread that would be a reset, and our answer lost.
            if (then_ == Then::Close) ::shutdown(connection, SHUT_WR);
            held_.push_back(connection);
        }
    }

    void remember(std::string request) {
        const std::lock_guard lock(mutex_);
        if (has_request_) return;
        request_ = std::move(request);
        has_request_ = true;
        arrived_.notify_all();
    }

    void send_answer(int connection) const {
        std::size_t sent = 0;
        while (sent < answer_.size()) {
            const ssize_t size =
                ::send(connection, answer_.data() + sent, answer_.size() - sent, MSG_NOSIGNAL);
            if (size <= 0) return;  // a client that has heard enough
            sent += static_cast<std::size_t>(size);
        }
    }

    LoopbackPort listener_;
    const std::string answer_;
    const Then then_;
    std::vector<int> held_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::string request_;       // guarded by mutex_
    bool has_request_ = false;  // guarded by mutex_
    std::thread thread_;
};

}  // namespace tests
