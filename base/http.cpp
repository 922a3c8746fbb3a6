// SPDX-License-Identifier: Apache-2.0
// Who waits drives libcurl, one at a time and for everybody. There is no thread for it, so that a round trip
// wakes nobody but him who asked. What is under way is worked on by that one alone, so that connections can
// be shared without locks of ours; when he has his answers, another of those who wait goes on.
#include "base/http.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include "base/http_exchange.hpp"
#include "base/sigpipe.hpp"

namespace base {

namespace {

constexpr int kLongestPoll = 60'000;  // milliseconds; curl's own timers and wake-ups come sooner

CURLM* make_multi() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM* multi = ready == CURLE_OK ? curl_multi_init() : nullptr;
    if (multi == nullptr) throw std::bad_alloc();  // nothing else can be wrong here
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    return multi;
}

struct Caller;

struct Job {
    Job(const HttpRequest& request, Caller& whose) : exchange(request), caller(whose) {}

    HttpExchange exchange;
    Caller& caller;
    std::optional<Result<HttpResponse>> outcome{};
};

/// Somebody in exchange_all. All but `jobs` is guarded by the driver's mutex.
struct Caller {
    std::deque<Job> jobs{};
    std::size_t unsettled = 0;       // jobs without an outcome
    std::condition_variable turn{};  // all is settled, or it is his to drive
};

}  // namespace

struct CurlTransport::Driver {
    explicit Driver(std::string agent) : user_agent(std::move(agent)), multi(make_multi()) {}

    ~Driver() {
        std::unique_lock lock(mutex);
        is_over = true;
        if (is_driven) curl_multi_wakeup(multi.get());
        all_have_left.wait(lock, [this] { return callers == 0; });
        const SigpipeHeld held;
        multi.reset();  // it still says goodbye to open connections
    }

    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    /// Until each job of `caller` has its outcome. There is no other way out: curl holds on to them.
    void settle_all(Caller& caller) noexcept {
        std::unique_lock lock(mutex);
        ++callers;
        await_outcomes_of(caller);
        if (is_driven) curl_multi_wakeup(multi.get());
        while (caller.unsettled > 0) {
            if (is_driven) {
                caller.turn.wait(lock);
            } else {
                drive_for(caller, lock);
            }
        }
        if (--callers == 0) all_have_left.notify_all();
    }

    void await_outcomes_of(Caller& caller) {
        for (Job& job : caller.jobs) {
            if (job.outcome) continue;
            arriving.push_back(&job);
            ++caller.unsettled;
        }
        if (caller.unsettled > 0) waiting.push_back(&caller);
    }

    /// Does not hold the lock while curl works or waits.
    void drive_for(const Caller& caller, std::unique_lock<std::mutex>& lock) {
        const SigpipeHeld held;
        is_driven = true;
        while (true) {
            admit();
            lock.unlock();
            int running = 0;
            curl_multi_perform(multi.get(), &running);
            reap();
            lock.lock();
            if (is_over) abandon();
            if (caller.unsettled == 0) break;
            lock.unlock();
            curl_multi_poll(multi.get(), nullptr, 0, kLongestPoll, nullptr);
            lock.lock();
        }
        is_driven = false;
        if (!waiting.empty()) waiting.back()->turn.notify_one();  // he who has just come stays longest
    }

    /// Takes in what has arrived.
    void admit() {
        for (Job* job : arriving) {
            curl_easy_setopt(job->exchange.handle(), CURLOPT_PRIVATE, job);
            curl_multi_add_handle(multi.get(), job->exchange.handle());
        }
        arriving.clear();
    }

    /// Settles what has come to its end.
    void reap() {
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            const CURLcode outcome = message->data.result;
            Job* job = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
            curl_multi_remove_handle(multi.get(), job->exchange.handle());
            Result<HttpResponse> answer = job->exchange.finish(outcome);
            const std::lock_guard lock(mutex);  // no longer: who is woken wants it
            settle(*job, std::move(answer));
        }
    }

    /// Settles everything else.
    void abandon() {
        arriving.clear();
        for (Caller* caller : std::exchange(waiting, {})) {
            for (Job& job : caller->jobs) {
                if (job.outcome) continue;
                curl_multi_remove_handle(multi.get(), job.exchange.handle());
                settle(job, job.exchange.abandoned());
            }
        }
    }

    void settle(Job& job, Result<HttpResponse> outcome) {
        job.outcome = std::move(outcome);
        if (--job.caller.unsettled > 0) return;
        std::erase(waiting, &job.caller);
        job.caller.turn.notify_one();
    }

    const std::string user_agent;
    std::unique_ptr<CURLM, Deleter<curl_multi_cleanup>> multi;  // of whoever drives
    std::mutex mutex;                                           // guards the rest
    bool is_driven = false;
    bool is_over = false;
    std::vector<Job*> arriving{};    // not known to curl yet
    std::vector<Caller*> waiting{};  // with something unsettled
    std::size_t callers = 0;         // inside settle_all
    std::condition_variable all_have_left{};
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
    Caller caller;
    for (const HttpRequest& request : requests) {
        Job& job = caller.jobs.emplace_back(request, caller);
        const Result<void> prepared = job.exchange.prepare(driver_->user_agent);
        if (!prepared) job.outcome = Failure(prepared.error());
    }
    driver_->settle_all(caller);
    std::vector<Result<HttpResponse>> answers;
    answers.reserve(requests.size());
    for (Job& job : caller.jobs) answers.push_back(std::move(*job.outcome));
    return answers;
}

}  // namespace base
