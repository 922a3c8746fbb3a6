// SPDX-License-Identifier: Apache-2.0
#include "base/dns.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fcntl.h>

#include "base/dns_exchange.hpp"
#include "base/dns_wire.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"

namespace base {

namespace {

constexpr std::size_t kResolvConfMax = 65'536;
constexpr int kFormErr = 1;
constexpr int kServFail = 2;
constexpr int kNxDomain = 3;
constexpr int kNotImp = 4;

// Which part of the deadline the first, second and third try may take: a lost packet costs a fifth of it, and
// a resolver that has to ask far away still gets half.
constexpr std::array kTries{20, 30, 50};

enum class Over { UdpThenTcp, Tcp };

Steady now() {
    return SystemClock().steady();
}

Steady within(Milliseconds budget, Steady until) {
    return std::min(now() + budget, until);
}

std::string rcode_text(int rcode) {
    switch (rcode) {
        case kFormErr:
            return "FORMERR: it does not understand the question";
        case kServFail:
            return "SERVFAIL: it could not find out";
        case kNotImp:
            return "NOTIMP: it does not know such questions";
        case 5:
            return "REFUSED: it does not answer us";
        default:
            return "rcode " + std::to_string(rcode);
    }
}

Failure no_answer(const DnsServer& server) {
    return fail(Code::DnsFailed, to_string(server) + " sends what is no answer to the question");
}

Result<DnsReply> put_over_udp(const DnsServer& server, const DnsQuestion& question, Steady until) {
    const std::uint16_t id = random_dns_id();
    std::optional<DnsReply> reply;
    const auto is_answer = [&](std::string_view bytes) {
        reply = decode_answer(bytes, question, id);
        return reply.has_value();
    };
    TRY(exchange_over_udp(server, TRY(encode_question(question, id)), until, is_answer));
    return std::move(*reply);
}

Result<DnsAnswer> put_over_tcp(const DnsServer& server, const DnsQuestion& question, Steady until) {
    const std::uint16_t id = random_dns_id();
    const std::string bytes = TRY(exchange_over_tcp(server, TRY(encode_question(question, id)), until));
    std::optional<DnsReply> reply = decode_answer(bytes, question, id);
    if (!reply || reply->is_truncated) return no_answer(server);
    return std::move(reply->answer);
}

/// One try of one question; TCP gets as long again where the answer is too long for UDP.
Result<DnsAnswer> put_once(const DnsServer& server, const DnsQuestion& question, Over over,
                           Milliseconds budget, Steady until) {
    if (over == Over::UdpThenTcp) {
        DnsReply reply = TRY(put_over_udp(server, question, within(budget, until)));
        if (!reply.is_truncated) return std::move(reply.answer);
    }
    return put_over_tcp(server, question, within(budget, until));
}

/// The same, and once more without EDNS for servers older than it (RFC 6891 §7).
Result<DnsAnswer> put(const DnsServer& server, DnsQuestion question, Over over, Milliseconds budget,
                      Steady until) {
    DnsAnswer answer = TRY(put_once(server, question, over, budget, until));
    if (answer.rcode != kFormErr && answer.rcode != kNotImp) return answer;
    question.edns = false;
    return put_once(server, question, over, budget, until);
}

bool is_answered(const DnsAnswer& answer) {
    return answer.rcode == 0 || answer.rcode == kNxDomain;
}

/// Is the answer withheld only because its signatures are wrong? Asked again at the end, because a resolver
/// may just have had a bad moment.
bool is_bogus(const DnsServer& resolver, DnsQuestion question, Milliseconds budget, Steady until) {
    question.checking_disabled = true;
    const auto unchecked = put(resolver, question, Over::UdpThenTcp, budget, until);
    if (!unchecked || !is_answered(*unchecked)) return false;
    question.checking_disabled = false;
    const auto again = put(resolver, question, Over::UdpThenTcp, budget, until);
    return again && again->rcode == kServFail;
}

Failure bogus(const DnsQuestion& question) {
    return fail(Code::DnsBogus,
                "DNSSEC for " + question.name +
                    " is broken: a resolver that checks signatures gives no answer, and gives one when told "
                    "not to check",
                "every CA checks them: look at the zone's signatures and its DS record, e.g. with `delv " +
                    question.name + "` or dnsviz.net");
}

/// A resolver's answer; SERVFAIL, REFUSED and the like as errors.
Result<DnsAnswer> put_to_resolver(const DnsServer& resolver, const DnsQuestion& question, Milliseconds budget,
                                  Steady until) {
    DnsAnswer answer = TRY(put(resolver, question, Over::UdpThenTcp, budget, until));
    if (is_answered(answer)) return answer;
    if (answer.rcode == kServFail && is_bogus(resolver, question, budget, until)) return bogus(question);
    return fail(Code::DnsFailed, to_string(resolver) + " does not answer for " + question.name + " (" +
                                     rcode_text(answer.rcode) + ")");
}

/// "a; b", each once.
std::string joined(const std::vector<std::string>& texts) {
    std::string out;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (std::find(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(i), texts[i]) !=
            texts.begin() + static_cast<std::ptrdiff_t>(i)) {
            continue;
        }
        if (!out.empty()) out += "; ";
        out += texts[i];
    }
    return out;
}

Result<std::string> read_resolv_conf() {
    SystemFiles files;
    // Often a symbolic link, which is why this is not base::read_file.
    const Descriptor file(::open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file.is_open()) return std::string();
    std::string text;
    while (text.size() < kResolvConfMax) {
        const std::string more = TRY(files.read(file, kResolvConfMax - text.size()));
        if (more.empty()) break;
        text += more;
    }
    return text;
}

}  // namespace

Dns::Dns(std::vector<DnsServer> resolvers, Milliseconds deadline)
    : resolvers_(std::move(resolvers)), deadline_(deadline) {}

std::vector<DnsServer> Dns::resolvers() const {
    return resolvers_.empty() ? parse_resolv_conf(read_resolv_conf().value_or("")) : resolvers_;
}

Steady Dns::several() const {
    return now() + 3 * deadline_;
}

Result<DnsAnswer> Dns::ask_until(std::span<const DnsServer> resolvers, std::string_view name, DnsType type,
                                 Steady until) const {
    until = within(deadline_, until);
    const DnsQuestion question{.name = TRY(dns_name(name)), .type = type, .recursive = true};
    std::optional<Error> refused;
    std::vector<std::string> silent;
    for (const int percent : kTries) {
        const Milliseconds budget = deadline_ * percent / 100 / static_cast<int>(resolvers.size());
        const std::size_t silent_before = silent.size();
        for (const DnsServer& resolver : resolvers) {
            auto answer = put_to_resolver(resolver, question, std::max(budget, Milliseconds(1)), until);
            if (answer || answer.error().code == Code::DnsBogus) return answer;
            if (answer.error().code == Code::DnsUnreachable) {
                silent.push_back(answer.error().message);
            } else {
                refused = std::move(answer).error();
            }
        }
        if (silent.size() == silent_before || now() >= until) break;
    }
    if (refused) return Failure(std::move(*refused));
    return fail(Code::DnsUnreachable, "no DNS resolver answers for " + question.name + ": " + joined(silent),
                "the resolvers are those of /etc/resolv.conf, or `servers` under [dns]");
}

Result<DnsAnswer> Dns::look_up(std::string_view name, DnsType type, Steady until) const {
    return ask_until(resolvers(), name, type, until);
}

Result<DnsAnswer> Dns::ask(std::string_view name, DnsType type) const {
    return look_up(name, type, several());
}

Result<DnsAnswer> Dns::ask_resolver(const DnsServer& resolver, std::string_view name, DnsType type) const {
    return ask_until({&resolver, 1}, name, type, several());
}

Result<DnsAnswer> Dns::ask_server(const DnsServer& server, std::string_view name, DnsType type) const {
    const DnsQuestion question{.name = TRY(dns_name(name)), .type = type};
    const Steady until = now() + deadline_;
    Result<DnsAnswer> answer;
    for (const int percent : kTries) {
        answer = put(server, question, Over::UdpThenTcp, deadline_ * percent / 100, until);
        if (answer || answer.error().code != Code::DnsUnreachable) break;
    }
    return answer;
}

Result<DnsAnswer> Dns::ask_server_over_tcp(const DnsServer& server, std::string_view name,
                                           DnsType type) const {
    const DnsQuestion question{.name = TRY(dns_name(name)), .type = type};
    return put(server, question, Over::Tcp, deadline_, now() + deadline_);
}

}  // namespace base
