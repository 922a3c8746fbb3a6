// SPDX-License-Identifier: Apache-2.0
// The course of one deployment (DESIGN.md §5). What the endpoints showed before decides what may be said
// afterwards: a service that was down before was not broken by us, and one that served before must serve when
// this ends.
#include "deployers/transaction.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/encoding.hpp"
#include "base/key.hpp"
#include "deployers/limits.hpp"
#include "deployers/probe/look.hpp"
#include "deployers/transaction_errors.hpp"

namespace deployers {
namespace {

using base::Code;
using base::Error;
using base::Milliseconds;
using base::Result;

// A reload is sent again no sooner than this: Apache takes about a second for one.
constexpr Milliseconds kReloadSpacing{2000};
// How long a service may be gone before that is no restart any more.
constexpr Milliseconds kGrace{3000};

/// At least `least`, a quarter of a long patience, but never more than half of a short one.
Milliseconds part_of(Milliseconds patience, Milliseconds least) {
    return std::min(std::max(least, patience / 4), patience / 2);
}

/// One deployment under way.
struct Course {
    const DeploymentRequest& request;
    Host& host;
    base::Clock& clock;
    std::string where{};  // "example.com on web"
    Expectation expectation{};
    std::vector<EndpointVerdict> before{};
    std::unique_ptr<Session> session{};  // null when it has ended, or its connection is lost
    std::optional<Error> connection_lost{};
    CommandReport reload{};  // the last one that was sent
    DeploymentOutcome outcome{};

    [[nodiscard]] const std::string& certificate() const { return request.wanted->certificate; }

    [[nodiscard]] Viewpoint viewpoint() const {
        return {.anchors = *request.anchors, .clock = clock, .names = request.names};
    }
};

/// What the endpoints have shown since the reload.
struct Watch {
    Milliseconds spacing{};
    Milliseconds grace{};
    base::Steady begun{};
    base::Steady reload_sent{};
    std::optional<base::Steady> lost_since{};
};

std::string place_of(const DeploymentRequest& request) {
    const std::string& id = request.installation.id;
    const auto slash = id.find('/');
    if (slash == std::string::npos || slash + 1 == id.size()) return request.wanted->certificate;
    return request.wanted->certificate + " on " + id.substr(slash + 1);
}

void tell(const Course& course, std::string_view step, std::string_view detail) {
    if (course.request.progress) course.request.progress(step, detail);
}

void end_with(Course& course, Error error) {
    if (course.connection_lost && course.connection_lost->message != error.message)
        error.message += "; the connection to its host was lost: " + course.connection_lost->message;
    course.outcome.error = std::move(error).within(course.where).during("deploy");
}

/// Of the private key; where that is not ours, of the leaf, if it is the one that the request was made with.
Result<std::string> public_key_of(const Generation& wanted) {
    std::string fault = "The key in the certificate is not that of the request it was issued for";
    if (wanted.has_key()) {
        const auto key = base::PrivateKey::parse(wanted.key_pem);
        if (key) return key->public_key_der();
        fault = "Its key cannot be used: " + key.error().message;
    } else {
        std::string key = wanted.chain.empty() ? "" : wanted.chain.front().public_key_der();
        if (key.empty() || base::sha256_hex(key) == wanted.request_key) return key;
    }
    return base::fail(Code::DeployUnproven, "nothing was changed. " + fault,
                      "renewd renew " + wanted.certificate + " --force");
}

Result<void> prove(const Course& course) {
    const Generation& wanted = *course.request.wanted;
    const std::string public_key = TRY(public_key_of(wanted));
    auto proof =
        base::prove_pair(wanted.chain, public_key, wanted.names, course.clock.now(), Code::DeployUnproven);
    if (proof) return {};
    Error error = std::move(proof).error();
    error.message = "nothing was changed. Key and certificate are not what they should be: " + error.message;
    if (error.hint.empty()) error.hint = "renewd renew " + wanted.certificate + " --force";
    return base::Failure(std::move(error));
}

void look_before(Course& course) {
    if (course.request.endpoints.empty()) return;
    // With the time that the looks afterwards have: what is too slow to be seen now could not be missed then.
    course.before = look(course.request.endpoints, course.expectation, course.viewpoint(),
                         handshake_deadline(course.request.verify_for));
}

void remark_untidy(Course& course, const std::string& why) {
    course.outcome.remarks.push_back(
        course.where + ": what was there before could not be tidied up; the next deployment does it" +
        (why.empty() ? "" : ": " + why));
}

/// The connection broke after everything had been handed over: the host is asked once what it holds now.
Result<void> find_out(Course& course, Error unknown) {
    if (unknown.code != Code::DeployOutcomeUnknown) return base::Failure(std::move(unknown));
    tell(course, "write", "the connection was lost; asking what is there now");
    const auto found = course.host.inspect(course.request.installation);
    if (!found) {
        unknown.message += "; asked again: " + found.error().message;
        return base::Failure(std::move(unknown));
    }
    const std::vector<FileDigest> wanted = digests_of(course.request.installation);
    const bool there = std::ranges::all_of(
        wanted, [&](const FileDigest& file) { return std::ranges::find(*found, file) != found->end(); });
    if (!there) return base::Failure(std::move(unknown));
    course.outcome.installed = true;
    course.outcome.wrote =
        true;  // most likely by this run; who asks wants to know of a change rather than miss one
    course.connection_lost = std::move(unknown);
    return {};
}

/// After this the wanted files are in place, or nothing is changed and the error says why.
Result<void> install(Course& course) {
    Installation installation = course.request.installation;
    installation.deadline = executor_deadline(installation.command_deadline, course.request.verify_for);
    tell(course, "write", "");
    auto session = course.host.install(installation);
    if (!session) return find_out(course, std::move(session).error());
    course.session = std::move(*session);
    const InstallReport& report = course.session->report();
    if (report.interrupted_before)
        course.outcome.remarks.push_back(
            course.where + ": an earlier deployment had been cut off here; it has been cleared up");
    course.reload = report.reload;
    switch (report.outcome) {
        case InstallOutcome::Installed:
            course.outcome.wrote = true;
            [[fallthrough]];
        case InstallOutcome::Unchanged:
            course.outcome.installed = true;
            return {};
        case InstallOutcome::ServiceBroken:
            return base::Failure(service_broken(installation, report, course.certificate()));
        case InstallOutcome::TestFailed:
            if (!report.message.empty()) remark_untidy(course, report.message);
            return base::Failure(test_failed(installation, report, course.certificate()));
        case InstallOutcome::WriteFailed:
            return base::Failure(write_failed(report, course.certificate()));
        case InstallOutcome::Restored:
        case InstallOutcome::Committed:
            break;
    }
    return base::fail(Code::DeployOutcomeUnknown, "the host's answer is not one to an installation",
                      "renewd deploy " + course.certificate());
}

const AddressVerdict* find_address(const EndpointVerdict& endpoint, const std::string& address) {
    const auto found = std::ranges::find(endpoint.addresses, address, &AddressVerdict::address);
    return found == endpoint.addresses.end() ? nullptr : &*found;
}

/// It was answered before, and is not any more; or it showed a certificate of ours, and now a stranger's.
bool is_lost(const AddressVerdict& before, const AddressVerdict& now) {
    if (before.sha256.empty()) return false;
    if (now.verdict == Verdict::Unreachable || now.verdict == Verdict::HandshakeFailed) return true;
    return now.verdict == Verdict::Foreign && before.verdict != Verdict::Foreign;
}

bool has_lost_something(const std::vector<EndpointVerdict>& before, const std::vector<EndpointVerdict>& now) {
    for (std::size_t i = 0; i < before.size() && i < now.size(); ++i)
        for (const AddressVerdict& address : now[i].addresses) {
            const AddressVerdict* earlier = find_address(before[i], address.address);
            if (earlier != nullptr && is_lost(*earlier, address)) return true;
        }
    return false;
}

/// Somebody was asked, and not one connection came about.
bool nobody_answers(const std::vector<EndpointVerdict>& endpoints) {
    bool asked = false;
    for (const EndpointVerdict& endpoint : endpoints)
        for (const AddressVerdict& address : endpoint.addresses) {
            if (address.verdict == Verdict::NotReachableFromHere || address.verdict == Verdict::Unresolved)
                continue;
            if (address.verdict != Verdict::Unreachable) return false;
            asked = true;
        }
    return asked;
}

bool was_not_running(const Course& course, const std::vector<EndpointVerdict>& now) {
    return !course.reload.ok() && nobody_answers(course.before) && nobody_answers(now);
}

/// What a reload would change: the one before is still served, be it ours or, at a first deployment,
/// another's.
bool serves_the_old_one(const std::vector<EndpointVerdict>& endpoints) {
    return std::ranges::any_of(endpoints, [](const EndpointVerdict& endpoint) {
        return std::ranges::any_of(endpoint.addresses, [](const AddressVerdict& address) {
            return address.verdict == Verdict::Stale || address.verdict == Verdict::Foreign;
        });
    });
}

void reload_again(Course& course, Watch& watch) {
    tell(course, "reload", "the old one is still served; once more");
    watch.reload_sent = course.clock.steady();
    auto report = course.session->reload();
    if (!report) {
        course.connection_lost = std::move(report).error();
        course.session.reset();
        return;
    }
    course.reload = report->reload;
}

/// Between two looks: false when looking on is of no use.
bool go_on(Course& course, Watch& watch, const std::vector<EndpointVerdict>& seen) {
    const base::Steady now = course.clock.steady();
    if (!has_lost_something(course.before, seen)) {
        watch.lost_since.reset();
    } else {
        if (!watch.lost_since) watch.lost_since = now;
        return now - *watch.lost_since < watch.grace;
    }
    if (was_not_running(course, seen)) return now - watch.begun < watch.grace;
    const bool may_reload = course.session != nullptr && course.reload.ran;
    if (may_reload && now - watch.reload_sent >= watch.spacing && serves_the_old_one(seen))
        reload_again(course, watch);
    return true;
}

/// Looks until the new one is served everywhere, or that is not to be expected any more. False: the service
/// is gone, or serves neither the old nor the new one.
bool verify(Course& course) {
    const DeploymentRequest& request = course.request;
    tell(course, "verify",
         std::to_string(request.endpoints.size()) +
             (request.endpoints.size() == 1 ? " endpoint" : " endpoints"));
    const base::Steady begun = course.clock.steady();
    Watch watch{.spacing = part_of(request.verify_for, kReloadSpacing),
                .grace = part_of(request.verify_for, kGrace),
                .begun = begun,
                .reload_sent = begun};
    const auto between = [&](const std::vector<EndpointVerdict>& seen) { return go_on(course, watch, seen); };
    const auto look_for = [&](Milliseconds patience) {
        course.outcome.endpoints =
            look_until_served(request.endpoints, course.expectation, course.viewpoint(), patience, between);
        return !has_lost_something(course.before, course.outcome.endpoints);
    };
    if (look_for(request.verify_for)) return true;
    // Gone only just before the end: it gets the time that it would have had earlier.
    if (course.clock.steady() - watch.lost_since.value_or(begun) >= watch.grace) return false;
    return look_for(watch.grace);
}

void commit(Course& course) {
    if (!course.session) return;
    const auto report = course.session->commit();
    course.session.reset();
    if (report && report->outcome == InstallOutcome::Committed) return;
    remark_untidy(course, report ? report->message : report.error().message);
}

/// What is served is not what should be, and nothing was broken by it.
Error shortfall(const Course& course) {
    const std::vector<EndpointVerdict>& seen = course.outcome.endpoints;
    const Installation& installation = course.request.installation;
    if (was_not_running(course, seen))
        return not_running(installation, course.reload, course.certificate(), describe(seen));
    const bool reload_would_help = serves_the_old_one(seen) || nobody_answers(seen);
    if (!course.reload.ok() && reload_would_help)
        return reload_failed(installation, course.reload, course.certificate(), describe(seen));
    return error_of(seen, course.certificate())
        .value_or(Error{.code = Code::VerifyUnreachable, .message = "nobody has looked", .step = "verify"});
}

/// The files are proven and stay, whatever is served so far.
void keep(Course& course) {
    commit(course);
    course.outcome.served = all_serving(course.outcome.endpoints);
    if (!course.outcome.served) {
        end_with(course, shortfall(course));
        return;
    }
    if (course.connection_lost)
        course.outcome.remarks.push_back(course.where +
                                         ": it is served, although the connection to its host was lost: " +
                                         course.connection_lost->message);
}

/// Nobody can look: the commands' word is all there is.
void keep_unseen(Course& course) {
    commit(course);
    if (course.connection_lost) {
        Error unknown = *course.connection_lost;
        unknown.message += "; the new files are in place, whether they are in use is not known";
        course.connection_lost.reset();
        end_with(course, std::move(unknown));
    } else if (!course.reload.ok()) {
        end_with(course, reload_failed(course.request.installation, course.reload, course.certificate(), {}));
    }
}

/// Each address shows the certificate that it showed at the beginning.
bool is_as_before(const std::vector<EndpointVerdict>& before, const std::vector<EndpointVerdict>& now) {
    for (std::size_t i = 0; i < before.size(); ++i)
        for (const AddressVerdict& earlier : before[i].addresses) {
            if (earlier.sha256.empty()) continue;
            const AddressVerdict* address = i < now.size() ? find_address(now[i], earlier.address) : nullptr;
            if (address == nullptr || address->sha256 != earlier.sha256) return false;
        }
    return true;
}

/// Never back to an expired or revoked one. What would come back is what was served here before: one of our
/// earlier generations, and not always the newest, or somebody else's, which is better than nothing as long
/// as it is valid.
bool may_put_back(const Course& course) {
    const base::Instant now = course.clock.now();
    const std::vector<std::string>& revoked = course.request.revoked;
    const auto is_good = [&](const AddressVerdict& address) {
        return address.not_after && *address.not_after > now &&
               std::ranges::find(revoked, address.sha256) == revoked.end();
    };
    return std::ranges::any_of(course.before, [&](const EndpointVerdict& endpoint) {
        return std::ranges::any_of(endpoint.addresses, is_good);
    });
}

/// It stays although the service is not well with it: there is no way back, and `why` says which.
void keep_despite(Course& course, const std::string& why) {
    commit(course);
    Error error = shortfall(course);
    error.message += "; " + why;
    end_with(course, std::move(error));
}

/// Nothing was written, so nothing can come back: restore() comes to a test and a restart then.
void start_again(Course& course) {
    course.outcome.remarks.push_back(course.where + ": after the reload " +
                                     describe(course.outcome.endpoints) +
                                     "; no file had been changed, so the service was started again");
    tell(course, "reload", "the service is gone, and its files are as they were; starting it again");
    auto report = course.session->restore();
    course.session.reset();
    if (!report) course.connection_lost = report.error();
    const auto until_served = [](const std::vector<EndpointVerdict>&) { return true; };
    course.outcome.endpoints = look_until_served(course.request.endpoints, course.expectation,
                                                 course.viewpoint(), course.request.verify_for, until_served);
    course.outcome.served = all_serving(course.outcome.endpoints);
    if (course.outcome.served) return;
    Error error = shortfall(course);
    error.message += "; no file had been changed, and starting the service again did not help";
    if (report) error.message += why_not_restarted(course.request.installation, *report);
    end_with(course, std::move(error));
}

bool has_way_back(const Course& course) {
    return course.outcome.wrote || course.session->report().interrupted_before;
}

void put_back(Course& course) {
    if (!course.session) return keep_despite(course, "what was there before cannot be put back");
    if (!has_way_back(course)) return start_again(course);
    if (!may_put_back(course))
        return keep_despite(course, "the one before has expired or is revoked, so it is not put back");

    const std::string gone = describe(course.outcome.endpoints);
    const std::string again = "renewd deploy " + course.certificate();
    tell(course, "write", "putting back what was there before");
    const auto report = course.session->restore();
    course.session.reset();
    if (!report || report->outcome != InstallOutcome::Restored) {
        const std::string cause = !report                   ? report.error().message
                                  : report->message.empty() ? "the host does not say why"
                                                            : report->message;
        return end_with(course, Error{.code = Code::DeployOutcomeUnknown,
                                      .message = "with the new certificate " + gone +
                                                 "; what was there before was to come back, but: " + cause,
                                      .hint = "see whether the service runs, then  " + again});
    }
    course.outcome.installed = false;
    if (!report->message.empty()) remark_untidy(course, report->message);
    tell(course, "verify", "what was there before");
    course.outcome.endpoints = look_until_served(
        course.request.endpoints, course.expectation, course.viewpoint(), course.request.verify_for,
        [&](const std::vector<EndpointVerdict>& seen) { return !is_as_before(course.before, seen); });
    const bool back = is_as_before(course.before, course.outcome.endpoints);
    end_with(course, Error{.code = Code::DeployRestored,
                           .message = "with the new certificate " + gone + ". What was there before is back" +
                                      (back ? " and is served again"
                                            : ", but is not served: " + describe(course.outcome.endpoints)) +
                                      why_not_restarted(course.request.installation, *report),
                           .hint = (back ? "see the service's log, then  "
                                         : "start the service and see its log, then  ") +
                                   again});
}

}  // namespace

base::Seconds executor_deadline(base::Seconds command_deadline, base::Milliseconds verify_for) {
    constexpr int kCommands = 6;  // test, test, reload, a reload again; to restore: test, restart
    constexpr base::Seconds kUpload{60};
    const Milliseconds grace = std::max(kGrace, verify_for / 4);  // no less than that of verify()
    const auto wanted = kTargetLockPatience + kServiceLockPatience + kCommands * command_deadline + kUpload +
                        std::chrono::ceil<base::Seconds>(verify_for + grace);
    return std::min(wanted, kDeadlineMax);
}

DeploymentOutcome deploy(const DeploymentRequest& request, Host& host, base::Clock& clock) {
    Course course{.request = request, .host = host, .clock = clock, .where = place_of(request)};
    if (auto proven = prove(course); !proven) {
        end_with(course, std::move(proven).error());
        return std::move(course.outcome);
    }
    course.expectation = {.sha256 = request.wanted->chain.front().sha256(), .earlier = request.earlier};
    look_before(course);
    if (auto installed = install(course); !installed)
        end_with(course, std::move(installed).error());
    else if (request.endpoints.empty())
        keep_unseen(course);
    else if (verify(course))
        keep(course);
    else
        put_back(course);
    return std::move(course.outcome);
}

}  // namespace deployers
