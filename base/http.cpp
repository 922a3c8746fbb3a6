// SPDX-License-Identifier: Apache-2.0
// The one thread that drives curl for everybody. Callers hand over an exchange and wait for its end; all curl
// handles are worked on here and nowhere else, so that connections can be shared without locks of ours.
#include "base/http.hpp"

#include <algorithm>
#include <csignal>
#include <future>
#include <iterator>
#include <mutex>
#include <new>
#include <thread>
#include <unordered_map>

#include "base/http_exchange.hpp"

namespace base {

namespace {

constexpr int kLongestPoll = 60'000;  // milliseconds; curl's own timers and wake-ups come sooner

/// Owned by the driver until its end; its caller only waits for the promise.
struct Job {
    explicit Job(const HttpRequest& request) : exchange(request) {}

    HttpExchange exchange;
    std::promise<Result<HttpResponse>> outcome;
};

CURLM* make_multi() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM* multi = ready == CURLE_OK ? curl_multi_init() : nullptr;
    if (multi == nullptr) throw std::bad_alloc();  // nothing else can be wrong here
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    return multi;
}

/// Signals are other threads' business. SIGPIPE above all: with NOSIGNAL curl leaves it to us.
void block_signals() {
    sigset_t all{};
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

struct CurlTransport::Driver {
    explicit Driver(std::string agent) : user_agent(std::move(agent)), multi(make_multi()) {
        thread = std::thread([this] { run(); });
    }

    ~Driver() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
            curl_multi_wakeup(
                multi.get());  // within the lock: the thread cannot see `stopping` and free it yet
        }
        thread.join();
    }

    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    void hand_over(std::vector<std::unique_ptr<Job>> jobs) {
        const std::lock_guard lock(mutex);
        std::ranges::move(jobs, std::back_inserter(arriving));
        curl_multi_wakeup(multi.get());
    }

    void run() {
        block_signals();
        while (admit()) {
            int running = 0;
            curl_multi_perform(multi.get(), &running);
            reap();
            curl_multi_poll(multi.get(), nullptr, 0, kLongestPoll, nullptr);
        }
        for (auto& [handle, job] : working) {
            curl_multi_remove_handle(multi.get(), handle);
            job->outcome.set_value(job->exchange.abandoned());
        }
        working.clear();
        multi.reset();  // here, with signals blocked: it still says goodbye to open connections
    }

    /// Takes in what has arrived. False when it is time to stop.
    bool admit() {
        std::vector<std::unique_ptr<Job>> arrived;
        bool stop = false;
        {
            const std::lock_guard lock(mutex);
            arrived.swap(arriving);
            stop = stopping;
        }
        for (std::unique_ptr<Job>& job : arrived) {
            CURL* handle = job->exchange.handle();
            if (!stop) curl_multi_add_handle(multi.get(), handle);
            working.emplace(handle, std::move(job));
        }
        return !stop;
    }

    /// Settles what has come to its end.
    void reap() {
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            const CURLcode outcome = message->data.result;
            const auto found = working.find(message->easy_handle);
            const std::unique_ptr<Job> job = std::move(found->second);
            working.erase(found);
            curl_multi_remove_handle(multi.get(), job->exchange.handle());
            job->outcome.set_value(job->exchange.finish(outcome));
        }
    }

    const std::string user_agent;
    std::unique_ptr<CURLM, Deleter<curl_multi_cleanup>> multi;
    std::unordered_map<CURL*, std::unique_ptr<Job>> working;  // the thread's own
    std::mutex mutex;
    std::vector<std::unique_ptr<Job>> arriving;  // guarded by mutex
    bool stopping = false;                       // guarded by mutex
    std::thread thread;
};

std::vector<Result<HttpResponse>> Transport::exchange_all(std::span<const HttpRequest> requests) {
    std::vector<Result<HttpResponse>> answers;
    answers.reserve(requests.size());
    for (const HttpRequest& request : requests) answers.push_back(exchange(request));
    return answers;
}

std::string_view HttpResponse::header(std::string_view name) const {
    const auto found = std::ranges::find(headers, name, &std::pair<std::string, std::string>::first);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<std::string_view> HttpResponse::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [header_name, value] : headers) {
        if (header_name == name) values.emplace_back(value);
    }
    return values;
}

CurlTransport::CurlTransport(std::string user_agent)
    : driver_(std::make_unique<Driver>(std::move(user_agent))) {}

CurlTransport::~CurlTransport() = default;

Result<HttpResponse> CurlTransport::exchange(const HttpRequest& request) {
    return std::move(exchange_all({&request, 1}).front());
}

std::vector<Result<HttpResponse>> CurlTransport::exchange_all(std::span<const HttpRequest> requests) {
    std::vector<Result<HttpResponse>> answers;
    std::vector<std::unique_ptr<Job>> jobs;
    std::vector<std::pair<std::size_t, std::future<Result<HttpResponse>>>> outcomes;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        auto job = std::make_unique<Job>(requests[i]);
        const Result<void> prepared = job->exchange.prepare(driver_->user_agent);
        answers.emplace_back(prepared ? Failure(Error{}) : Failure(prepared.error()));
        if (!prepared) continue;
        outcomes.emplace_back(i, job->outcome.get_future());
        jobs.push_back(std::move(job));
    }
    driver_->hand_over(std::move(jobs));
    // The driver, and with it `this`, may be gone by the time of an answer.
    for (auto& [i, outcome] : outcomes) answers[i] = outcome.get();
    return answers;
}

}  // namespace base
