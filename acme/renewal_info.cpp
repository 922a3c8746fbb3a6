// SPDX-License-Identifier: Apache-2.0
#include "acme/renewal_info.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "acme/limits.hpp"
#include "acme/retry.hpp"
#include "base/encoding.hpp"

namespace acme {

using base::Code;
using base::Result;
using nlohmann::json;

namespace {

std::optional<base::Instant> instant_of(const json& window, const char* member) {
    const auto found = window.find(member);
    if (found == window.end() || !found->is_string()) return std::nullopt;
    return base::parse_instant(found->get_ref<const std::string&>());
}

/// For people only, and from outside: nothing that is no plain https URL.
std::string explanation_of(const json& answer) {
    const auto found = answer.find("explanationURL");
    if (found == answer.end() || !found->is_string()) return {};
    const auto& text = found->get_ref<const std::string&>();
    const bool is_plain = std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    return text.starts_with("https://") && text.size() <= kUrlBytesMax && is_plain ? text : std::string{};
}

}  // namespace

std::string renewal_id(const base::Certificate& leaf) {
    const std::string issuer = leaf.authority_key_id();
    if (issuer.empty()) return {};
    return base::base64url(issuer) + "." + base::base64url(leaf.serial_octets());
}

Result<RenewalWindow> parse_renewal_window(std::string_view body) {
    const auto malformed = [](std::string_view why) {
        return base::fail(Code::CaProtocol, std::string(why));
    };
    const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!answer.is_object()) return malformed("the answer is no JSON object");
    const auto window = answer.find("suggestedWindow");
    if (window == answer.end() || !window->is_object())
        return malformed("the answer has no suggested window");
    const auto start = instant_of(*window, "start");
    const auto end = instant_of(*window, "end");
    if (!start || !end) return malformed("its window has no start or no end");
    if (*end <= *start) return malformed("its window ends before it starts");
    if (*start < base::Instant{} || *end > kLastInstant)
        return malformed("its window is for a time that nobody will see");
    return RenewalWindow{.start = *start, .end = *end, .explanation_url = explanation_of(answer)};
}

Result<RenewalAnswer> fetch_renewal_window(Session& session, const std::string& id) {
    std::string url = TRY(session.directory()).renewal_info;
    if (url.empty() || id.empty()) return RenewalAnswer{.ask_again = kRenewalInfoWaitMax};
    while (url.ends_with('/')) url.pop_back();
    url += "/" + id;
    const base::HttpResponse response = TRY(session.fetch(url));
    RenewalAnswer answer;
    if (const auto wait = retry_after_of(response, session.clock().now()))
        answer.ask_again = std::clamp(*wait, kRenewalInfoWaitMin, kRenewalInfoWaitMax);
    auto window = parse_renewal_window(response.body);
    if (!window) {
        return base::Failure(
            std::move(window.error())
                .within("the CA " + session.authority().name + ", " + base::printable(url, 200)));
    }
    answer.window = std::move(*window);
    return answer;
}

base::Instant pick_instant(const RenewalWindow& window, double chance) {
    const auto width = static_cast<double>((window.end - window.start).count());
    return window.start + base::Seconds(static_cast<std::int64_t>(width * std::clamp(chance, 0.0, 1.0)));
}

}  // namespace acme
