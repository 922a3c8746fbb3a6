// SPDX-License-Identifier: Apache-2.0
// The client's half of the conversation. Nothing is sent before the receiver has said that it is there: a
// login that prints a menu, asks for a password or echoes its input never sees a key.
#include "deployers/hosts/receiver_host.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "base/encoding.hpp"
#include "deployers/hosts/answers.hpp"
#include "deployers/hosts/places.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

using base::Code;
using base::Milliseconds;
using base::Seconds;

constexpr std::string_view kMark = "renewd-1 ";
constexpr Seconds kInspectDeadline{60};
constexpr Seconds kMargin{15};         // the remote side ends by itself; we wait a little longer
constexpr Seconds kFarewell{2};        // for a program that has closed its stdout to end
constexpr int kForeignLinesMax = 500;  // a message of the day, a shell's greeting

/// Longer than the remote side: its deadline, and the commands that may have begun just before it.
Seconds deadline_for(const Installation& installation, Seconds connect) {
    return installation.deadline + 4 * installation.command_deadline + connect + kMargin;
}

/// What leads to a receiver: a program we talk with, or a socket.
using Channel = std::variant<base::Conversation, base::LocalStream>;

base::Result<Channel> reach(const ReceiverLink& link, Seconds deadline) {
    if (link.connect) return Channel(TRY(link.connect()));
    base::Command command = TRY(link.command());
    command.deadline = deadline;
    return Channel(TRY(base::Conversation::start(command)));
}

base::Completed finish_channel(base::Conversation& conversation) {
    return conversation.finish(kFarewell);
}

base::Completed finish_channel(base::LocalStream& stream) {
    stream.finish(kFarewell);
    return {};
}

/// One connection with a receiver that has said it is there.
class Line {
  public:
    [[nodiscard]] static base::Result<Line> open(const ReceiverLink& link, Seconds deadline);

    [[nodiscard]] base::Result<void> send(std::string_view bytes) {
        return std::visit([&](auto& channel) { return channel.send(bytes); }, channel_);
    }

    /// The next answer; nothing if the connection has ended.
    [[nodiscard]] base::Result<std::optional<std::string>> answer(Milliseconds patience);

    [[nodiscard]] base::Completed finish() {
        return std::visit([](auto& channel) { return finish_channel(channel); }, channel_);
    }

    /// For a conversation with a socket; one with a program ends in the same way when it goes.
    void wait_for_end() {
        if (auto* stream = std::get_if<base::LocalStream>(&channel_)) stream->finish(kFarewell);
    }

  private:
    struct Heard {
        bool end = false;
        std::string text{};
    };

    explicit Line(Channel channel) : channel_(std::move(channel)) {}

    [[nodiscard]] base::Result<Heard> listen(Milliseconds patience);

    Channel channel_;
};

base::Failure did_not_answer(const ReceiverLink& link, const std::string& printed) {
    return base::fail(Code::HostTimeout,
                      link.name + " did not answer within " + std::to_string(link.connect_deadline.count()) +
                          " s; nothing was sent" +
                          (printed.empty() ? "" : " (" + base::printable(printed, 300) + ")"));
}

base::Result<Line> Line::open(const ReceiverLink& link, Seconds deadline) {
    Line line(TRY(reach(link, deadline)));
    // The login may take its time after the connection stands: twice the patience for both.
    const auto greeting = line.answer(2 * link.connect_deadline);
    if (!greeting) {
        const base::Completed ended = line.finish();
        if (greeting.error().code == Code::NetTimeout) return did_not_answer(link, ended.err);
        return base::Failure(base::Error(greeting.error()).within(link.name));
    }
    if (!*greeting) return tl::make_unexpected(link.explain(line.finish()));
    if (**greeting == "ready") return line;
    const auto refusal = parse_report(**greeting);
    if (refusal)
        return base::fail(Code::HostProtocol, link.name + " answered before it was asked; nothing was sent");
    return base::Failure(base::Error(refusal.error()).within(link.name));
}

base::Result<Line::Heard> Line::listen(Milliseconds patience) {
    return std::visit(
        [&](auto& channel) -> base::Result<Heard> {
            auto line = TRY(channel.read_line(patience));
            return Heard{.end = line.end, .text = std::move(line.text)};
        },
        channel_);
}

base::Result<std::optional<std::string>> Line::answer(Milliseconds patience) {
    for (int foreign = 0; foreign < kForeignLinesMax; ++foreign) {
        const Heard line = TRY(listen(patience));
        if (line.end) return std::nullopt;
        if (line.text.starts_with(kMark)) return line.text.substr(kMark.size());
    }
    return base::fail(Code::HostProtocol, "the other side talks, but is no receiver of renewd");
}

class ReceiverSession final : public Session {
  public:
    ReceiverSession(std::string name, Line line, Seconds deadline)
        : name_(std::move(name)), line_(std::move(line)), deadline_(deadline) {}

    /// Nobody has said how it ends: the other side keeps what is proven, and tidies up while we wait.
    ~ReceiverSession() override {
        if (open_) line_.wait_for_end();
    }

    ReceiverSession(const ReceiverSession&) = delete;
    ReceiverSession& operator=(const ReceiverSession&) = delete;

    /// Hands the bundle over, after the line that announces it. deploy/outcome-unknown from here on.
    base::Result<void> install(const std::string& request, const base::Secret& bundle);

    [[nodiscard]] const InstallReport& report() const override { return report_; }

    base::Result<InstallReport> reload() override { return ask("reload"); }

    base::Result<InstallReport> restore() override { return ask("restore"); }

    base::Result<InstallReport> commit() override { return ask("commit"); }

  private:
    base::Result<InstallReport> ask(std::string_view request);
    base::Result<InstallReport> read_report();

    std::string name_;
    Line line_;
    Seconds deadline_;
    InstallReport report_{};
    bool open_ = false;
};

base::Result<InstallReport> ReceiverSession::read_report() {
    const auto answer = line_.answer(deadline_);
    if (answer && *answer) {
        auto report = parse_report(**answer);
        if (report) return report;
        return base::Failure(std::move(report).error().within(name_));
    }
    open_ = false;
    const bool late = !answer && answer.error().code == Code::NetTimeout;
    return base::fail(Code::DeployOutcomeUnknown,
                      "the connection to " + name_ + (late ? " fell silent" : " was lost") +
                          " before it said what had become of the files; what is proven there stays",
                      "nothing to do: before anything is repeated, renewd looks at what is there");
}

base::Result<void> ReceiverSession::install(const std::string& request, const base::Secret& bundle) {
    TRY(line_.send(request));
    TRY(line_.send(bundle.reveal()));
    report_ = TRY(read_report());
    open_ = report_.outcome == InstallOutcome::Installed || report_.outcome == InstallOutcome::Unchanged;
    if (!open_) (void)line_.finish();  // the other side has tidied up when we say how it went
    return {};
}

base::Result<InstallReport> ReceiverSession::ask(std::string_view request) {
    if (!open_) {
        return base::fail(Code::InternalUnexpected, name_ + ": nothing is installed that could be acted on");
    }
    TRY(line_.send(std::string(request) + "\n"));
    InstallReport answer = TRY(read_report());
    if (request == "reload") {
        report_ = answer;
    } else {
        open_ = false;
        (void)line_.finish();
    }
    return answer;
}

class ReceiverHost final : public Host {
  public:
    explicit ReceiverHost(ReceiverLink link) : link_(std::move(link)) {}

    base::Result<std::vector<FileDigest>> inspect(const Installation& installation) override;
    base::Result<InstallReport> rehearse(const Installation& installation) override;
    base::Result<std::unique_ptr<Session>> install(const Installation& installation) override;

  private:
    /// A session that has handed `installation` over.
    base::Result<std::unique_ptr<ReceiverSession>> hand_over(std::string_view verb,
                                                             const Installation& installation);

    ReceiverLink link_;
};

base::Result<std::vector<FileDigest>> ReceiverHost::inspect(const Installation& installation) {
    TRY(check(installation));
    std::vector<std::string> paths;
    paths.reserve(installation.published.size());
    for (const FilePlan& file : installation.published) paths.push_back(file.path);
    std::string request = "inspect " + std::to_string(paths.size()) + "\n";
    for (const std::string& path : paths) request += path + "\n";
    auto digests = parse_digests(TRY(ask_receiver(link_, request)), paths);
    if (!digests) return base::Failure(std::move(digests).error().within(link_.name));
    return digests;
}

base::Result<std::unique_ptr<ReceiverSession>> ReceiverHost::hand_over(std::string_view verb,
                                                                       const Installation& installation) {
    TRY(check(installation));
    const Seconds deadline = deadline_for(installation, link_.connect_deadline);
    const base::Secret bundle = to_bundle(installation);
    Line line = TRY(Line::open(link_, deadline));
    auto session = std::make_unique<ReceiverSession>(link_.name, std::move(line), deadline);
    TRY(session->install(
        std::string(kMark) + std::string(verb) + " " + std::to_string(bundle.reveal().size()) + " " +
            base::sha256_hex(bundle.reveal()) + " " + std::to_string(installation.deadline.count()) + " " +
            work_directory(installation) + "\n",
        bundle));
    return session;
}

base::Result<InstallReport> ReceiverHost::rehearse(const Installation& installation) {
    return TRY(hand_over("rehearse", installation))->report();
}

base::Result<std::unique_ptr<Session>> ReceiverHost::install(const Installation& installation) {
    return TRY(hand_over("install", installation));
}

}  // namespace

base::Result<std::string> ask_receiver(const ReceiverLink& link, const std::string& question,
                                       const base::Secret& bundle) {
    Line line = TRY(Line::open(link, kInspectDeadline));
    TRY(line.send(std::string(kMark) + question));
    if (!bundle.empty()) TRY(line.send(bundle.reveal()));
    const auto answer = line.answer(kInspectDeadline);
    if (answer && *answer) return **answer;
    return base::fail(Code::HostTimeout, "the connection to " + link.name +
                                             " was lost before it had answered; nothing was changed");
}

std::unique_ptr<Host> make_receiver_host(ReceiverLink link) {
    return std::make_unique<ReceiverHost>(std::move(link));
}

}  // namespace deployers
