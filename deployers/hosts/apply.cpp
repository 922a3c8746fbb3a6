// SPDX-License-Identifier: Apache-2.0
// The peer is a program that may have been taken over: each word is checked before the next is read, all
// sizes and times are bounded, and the gate is asked before a file is so much as looked at.
#include "deployers/hosts/apply.hpp"

#include <algorithm>
#include <memory>
#include <optional>

#include <unistd.h>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "deployers/hosts/answers.hpp"
#include "deployers/hosts/local.hpp"
#include "deployers/hosts/places.hpp"
#include "deployers/hosts/replacement.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

using base::Code;
using base::Result;

constexpr std::string_view kMark = "renewd-1 ";
constexpr std::size_t kDigestSize = 64;

Result<std::size_t> number_of(std::string_view text, std::size_t most) {
    const auto value = base::parse_number<std::size_t>(text);
    if (value && *value <= most) return *value;
    return base::fail(Code::HostProtocol,
                      "no number from 0 to " + std::to_string(most) + " where one was due");
}

/// Where the files would be written, can they be? A sandbox may say no where the list says yes.
Result<void> check_writable(base::Files& files, const Installation& installation) {
    for (const auto* plans : {&installation.staged, &installation.published}) {
        for (const FilePlan& plan : *plans) {
            std::string directory = base::directory_of(plan.path);
            while (directory.size() > 1 && !base::exists(files, directory))
                directory = base::directory_of(directory);
            if (::access(directory.c_str(), W_OK) == 0) continue;
            return base::fail(
                Code::DeployWriteFailed,
                directory + " cannot be written here, although it is listed: " + base::errno_text(errno),
                "if it is the sandbox: systemctl edit renewd-apply@.service, and add "
                "ReadWritePaths=" +
                    directory + " below [Service]");
        }
    }
    return {};
}

class Service {
  public:
    Service(base::LocalStream& peer, base::Files& files, const Gate& gate, const ApplyOptions& options)
        : peer_(peer), files_(files), gate_(gate), options_(options) {}

    /// What goes wrong before anything is touched.
    Result<void> run();

    void refuse(const base::Error& error) {
        tell("refused: " + error.message);
        (void)say(refusal_to_json(error));
    }

  private:
    [[nodiscard]] Result<void> check_peer() const;
    Result<void> inspect(std::string_view rest);
    Result<void> consider(std::string_view rest);
    Result<void> rehearse(std::string_view rest);
    Result<void> install(std::string_view rest);
    Result<Installation> admit(std::string_view rest);
    Result<Installation> receive(std::string_view& rest);
    void go_on(Session& session, base::Steady until);
    Result<InstallReport> obey(Session& session, const std::string& request);

    Result<void> say(std::string_view text) {
        return peer_.send(std::string(kMark).append(text).append("\n"));
    }

    void tell(const std::string& text) const {
        if (options_.tell) options_.tell(base::printable(text, kOutputMax));
    }

    base::LocalStream& peer_;
    base::Files& files_;
    const Gate& gate_;
    const ApplyOptions& options_;
    base::SystemClock clock_{};
};

Result<void> Service::check_peer() const {
    const uid_t user = TRY(peer_.peer());
    if (user == 0 || std::ranges::find(options_.peers, user) != options_.peers.end()) return {};
    return base::fail(Code::HostLoginRefused,
                      "this helper works for the user that its unit names with --peer, and not for user " +
                          std::to_string(user),
                      "run renewd as that user, or change --peer in renewd-apply@.service");
}

Result<void> Service::run() {
    TRY(check_peer());
    TRY(say("ready"));
    const base::LocalStream::Line line = TRY(peer_.read_line(options_.patience));
    if (line.end) return {};
    std::string_view rest = line.text;
    if (base::take_until(rest, ' ') != kMark.substr(0, kMark.size() - 1))
        return base::fail(Code::HostProtocol, "this helper speaks version 1");
    const std::string_view verb = base::take_until(rest, ' ');
    if (verb == "inspect") return inspect(rest);
    if (verb == "consider") return consider(rest);
    if (verb == "rehearse") return rehearse(rest);
    if (verb == "install") return install(rest);
    return base::fail(Code::HostProtocol, "this helper does not know \"" + base::printable(verb, 40) + "\"");
}

Result<void> Service::inspect(std::string_view rest) {
    const std::size_t count = TRY(number_of(base::take_until(rest, ' '), kListMax));
    std::vector<std::string> digests;
    for (std::size_t i = 0; i < count; ++i) {
        const base::LocalStream::Line path = TRY(peer_.read_line(options_.patience));
        if (path.end) return {};
        TRY(gate_.permit_look(path.text));
        const auto content = base::read_file(files_, path.text, kFileMax);
        digests.push_back(content ? base::sha256_hex(*content) : std::string());
    }
    return say(digests_to_json(digests));
}

/// "SIZE SHA256" and so many bytes: an installation that has passed the gate.
Result<Installation> Service::receive(std::string_view& rest) {
    const std::size_t size = TRY(number_of(base::take_until(rest, ' '), kBundleMax));
    const std::string_view digest = base::take_until(rest, ' ');
    if (digest.size() != kDigestSize) return base::fail(Code::HostProtocol, "no digest where one was due");
    const base::Secret bundle = TRY(peer_.read_bytes(size, options_.patience));
    if (bundle.reveal().size() != size || base::sha256_hex(bundle.reveal()) != digest) {
        return base::fail(Code::HostProtocol,
                          "the files arrived damaged or cut short; nothing was published");
    }
    return parse_bundle(bundle.reveal());
}

Result<void> Service::consider(std::string_view rest) {
    const Installation installation = TRY(receive(rest));
    const std::size_t rules = TRY(gate_.permit(installation));
    TRY(Replacement(files_, installation, ::geteuid()).check_host());
    TRY(check_writable(files_, installation));
    return say(permission_to_json(rules));
}

/// One that may be executed.
Result<Installation> Service::admit(std::string_view rest) {
    Installation installation = TRY(receive(rest));
    (void)base::take_until(rest, ' ');  // the deadline, which the bundle has as well
    if (rest != work_directory(installation))
        return base::fail(Code::HostProtocol, "the working directory is not that of the installation");
    (void)TRY(gate_.permit(installation));
    return installation;
}

Result<void> Service::rehearse(std::string_view rest) {
    const Installation installation = TRY(admit(rest));
    const std::string answer =
        to_json(TRY(make_local_host(files_, gate_.find_program)->rehearse(installation)));
    tell(installation.id + ": rehearsed: " + answer);
    return say(answer);
}

Result<void> Service::install(std::string_view rest) {
    const Installation installation = TRY(admit(rest));
    const base::Steady until = clock_.steady() + installation.deadline;
    const auto session = TRY(make_local_host(files_, gate_.find_program)->install(installation));
    const InstallReport& report = session->report();
    const std::string answer = to_json(report);
    tell(installation.id + ": " + answer);
    TRY(say(answer));
    if (report.outcome == InstallOutcome::Installed || report.outcome == InstallOutcome::Unchanged)
        go_on(*session, until);
    return {};
}

Result<InstallReport> Service::obey(Session& session, const std::string& request) {
    if (request == "reload") return session.reload();
    if (request == "restore") return session.restore();
    if (request == "commit") return session.commit();
    return base::fail(Code::HostProtocol, "after an installation come reload, restore or commit");
}

/// Until the end of input or the deadline; what is proven stays then (the session's own end).
void Service::go_on(Session& session, base::Steady until) {
    for (;;) {
        const auto rest = std::chrono::ceil<base::Milliseconds>(until - clock_.steady());
        const auto line = peer_.read_line(std::max(rest, base::Milliseconds(0)));
        if (!line || line->end) return;
        const auto report = obey(session, line->text);
        tell(line->text + ": " + (report ? to_json(*report) : report.error().message));
        if (!say(report ? to_json(*report) : refusal_to_json(report.error())) || !report) return;
        if (report->outcome == InstallOutcome::Restored || report->outcome == InstallOutcome::Committed)
            return;
    }
}

}  // namespace

void serve(base::LocalStream& peer, base::Files& files, const Gate& gate, const ApplyOptions& options) {
    Service service(peer, files, gate, options);
    const Result<void> done = service.run();
    if (!done) service.refuse(done.error());
}

}  // namespace deployers
