// SPDX-License-Identifier: Apache-2.0
// An explanation for people, and as JSON.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "agent/tell/json_text.hpp"
#include "agent/tell/why.hpp"
#include "agent/tell/words.hpp"

namespace agent {

using base::Instant;
using nlohmann::json;

namespace {

constexpr std::size_t kLabel = 13;  // columns before the text, with the indentation

std::string fact_text(const std::string& about, const std::string& text, std::size_t width) {
    std::string lines;
    for (const std::string& line : wrapped(text, width - kLabel)) {
        lines += padded(lines.empty() ? "  " + about : "", kLabel) + line + "\n";
    }
    return lines;
}

std::string tried_words(const Obstacle& obstacle, Instant now) {
    std::string text;
    if (obstacle.since) {
        const std::string since = relative(*obstacle.since, now);
        const std::string ago = since == "now" ? "just now" : since;
        const std::string on = " (" + instant_words(*obstacle.since) + ")";
        text = obstacle.count == 0   ? "seen " + ago + on
               : obstacle.count == 1 ? "once, " + ago + on
                                     : std::to_string(obstacle.count) + " times, first " + ago + on;
    }
    if (!obstacle.next_attempt) return text;
    const bool is_named = obstacle.error.retry_at && *obstacle.error.retry_at > now;
    return text + (text.empty() ? "next " : "; next ") + when_words(*obstacle.next_attempt, now) +
           (is_named ? ", not before " + instant_words(*obstacle.error.retry_at) + " as was asked of us"
                     : "");
}

}  // namespace

std::string to_text(const Explanation& explanation, Instant now, std::size_t width) {
    std::string text;
    for (const std::string& line : wrapped(explanation.sentence, width)) text += line + "\n";
    for (const Fact& fact : explanation.facts) text += fact_text(fact.about, fact.text, width);
    for (const Obstacle& obstacle : explanation.obstacles) {
        const std::string& step = obstacle.error.step;
        text += "\n" + fact_text("at", obstacle.about + (step.empty() ? "" : " (" + step + ")"), width);
        text += fact_text("cause", obstacle.error.message, width);
        text += fact_text(obstacle.count == 0 ? "looked" : "tried", tried_words(obstacle, now), width);
        text += fact_text("do", obstacle.to_do, width);
    }
    return text;
}

json to_json(const Explanation& explanation, Instant now) {
    json facts = json::array();
    for (const Fact& fact : explanation.facts) facts.push_back({{"about", fact.about}, {"text", fact.text}});
    json obstacles = json::array();
    for (const Obstacle& obstacle : explanation.obstacles) {
        obstacles.push_back({{"about", obstacle.about},
                             {"error", to_json(obstacle.error)},
                             {"failures", obstacle.count},
                             {"since", instant_or_null(obstacle.since)},
                             {"next_attempt", instant_or_null(obstacle.next_attempt)},
                             {"do", obstacle.to_do}});
    }
    json next = nullptr;
    if (explanation.at) next = {{"action", explanation.action}, {"at", instant_or_null(explanation.at)}};
    return {{"version", 1},
            {"generated_at", base::format_instant(now)},
            {"name", explanation.name},
            {"state", to_string(explanation.state)},
            {"sentence", explanation.sentence},
            {"next", std::move(next)},
            {"reason", explanation.reason ? json(to_string(*explanation.reason)) : json(nullptr)},
            {"changes", explanation.changes},
            {"facts", std::move(facts)},
            {"obstacles", std::move(obstacles)}};
}

}  // namespace agent
