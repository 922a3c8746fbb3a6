// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/forecast.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "agent/tell/words.hpp"

namespace agent {

using base::Instant;
using nlohmann::json;

namespace {

constexpr std::size_t kHeight = 8;      // rows of the chart
constexpr std::size_t kColumnMax = 5;   // columns of the terminal for one of the chart
constexpr std::size_t kLabelEvery = 9;  // columns at least from one date to the next
constexpr std::size_t kBeside = 3;      // columns before the chart, but for the number
constexpr const char* kRed = "\033[31m";
constexpr const char* kPlain = "\033[0m";

/// Days that share a column.
struct Column {
    Instant begins{};
    std::size_t total = 0;
};

class Chart {
  public:
    Chart(const Forecast& forecast, std::size_t width) : width_(width) {
        const std::size_t days = forecast.days.size();
        std::size_t busiest = 0;
        for (const ForecastDay& day : forecast.days) busiest = std::max(busiest, day.total());
        // Four weeks hold at most so much: that wide are the numbers beside the chart.
        const std::size_t room = width - number(busiest * 28).size() - kBeside;
        for (const std::size_t span : {1U, 7U, 28U, 56U}) {
            days_ = span;
            if ((days + span - 1) / span <= room) break;
        }
        for (std::size_t i = 0; i < days; ++i) {
            if (i % days_ == 0) columns_.push_back({.begins = forecast.days[i].day});
            columns_.back().total += forecast.days[i].total();
        }
        wide_ = std::clamp(room / std::max<std::size_t>(columns_.size(), 1), std::size_t{1}, kColumnMax);
        peak_ = static_cast<std::size_t>(std::ranges::max_element(columns_, {}, &Column::total) -
                                         columns_.begin());
        margin_ = number(columns_[peak_].total).size() + kBeside;
    }

    [[nodiscard]] std::string text(bool has_colour) const {
        const Column& peak = columns_[peak_];
        if (peak.total == 0) return {};
        std::string lines = mark();
        for (std::size_t row = kHeight; row > 0; --row) {
            const bool is_top = row == kHeight;
            lines += label(is_top ? number(peak.total) : "") + "│";
            for (std::size_t i = 0; i < columns_.size(); ++i) {
                const std::string block = cell(columns_[i].total, row);
                const bool is_marked = has_colour && i == peak_;
                std::string bar;
                for (std::size_t at = 0; at < filled(); ++at) bar += block;
                lines += is_marked ? kRed + bar + kPlain : bar;
                lines += std::string(wide_ - filled(), ' ');
            }
            trim(lines);
            lines += "\n";
        }
        return lines + label("0") + "└" + axis() + "\n" + dates();
    }

    /// "a day", "a week", "in 4 weeks".
    [[nodiscard]] std::string unit() const {
        if (days_ == 1) return "a day";
        return days_ == 7 ? "a week" : "in " + std::to_string(days_ / 7) + " weeks";
    }

  private:
    [[nodiscard]] std::size_t filled() const { return wide_ > 1 ? wide_ - 1 : 1; }

    [[nodiscard]] std::string label(const std::string& text) const {
        return std::string(margin_ - 2 - text.size(), ' ') + text + " ";
    }

    static void trim(std::string& lines) { lines.erase(lines.find_last_not_of(' ') + 1); }

    /// Eighths of a row; what there is of anything is seen.
    [[nodiscard]] std::string cell(std::size_t total, std::size_t row) const {
        constexpr std::array kBlocks{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        const std::size_t eighths =
            std::max(total * kHeight * 8 / columns_[peak_].total, std::size_t{total > 0 ? 1U : 0U});
        const std::size_t below = (row - 1) * 8;
        return kBlocks.at(eighths <= below ? 0 : std::min<std::size_t>(eighths - below, 8));
    }

    [[nodiscard]] std::string axis() const {
        std::string line;
        for (std::size_t i = 0; i < columns_.size() * wide_; ++i) line += "─";
        return line;
    }

    /// Above the highest column: how much it is, and when.
    [[nodiscard]] std::string mark() const {
        const Column& peak = columns_[peak_];
        const std::string said =
            number(peak.total) + (days_ == 1 ? " on " : " from ") + day_words(peak.begins);
        const std::size_t at = margin_ + peak_ * wide_ + (filled() - 1) / 2;
        const bool is_left = at + said.size() + 2 > width_ && at > said.size();
        if (is_left) return std::string(at - said.size() - 1, ' ') + said + " ▼\n";
        return std::string(at, ' ') + "▼ " + said + "\n";
    }

    [[nodiscard]] std::string dates() const {
        std::string line(margin_, ' ');
        std::size_t free_from = 0;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::size_t at = margin_ + i * wide_;
            const std::string date = day_words(columns_[i].begins);
            if (at < free_from || at + date.size() > width_) continue;
            line += std::string(at - line.size(), ' ') + date;
            free_from = at + kLabelEvery;
        }
        return line + "\n";
    }

    std::vector<Column> columns_;
    std::size_t width_;
    std::size_t days_ = 1;  // of a column
    std::size_t wide_ = 1;  // columns of the terminal for one
    std::size_t margin_ = 0;
    std::size_t peak_ = 0;
};

std::string limit_text(const ForecastLimit& told) {
    const std::string words =
        words_of(*told.limit) + (told.left_now ? " (" + std::to_string(*told.left_now) + " left now)" : "");
    const std::string about = told.about.empty() ? "" : ", for " + told.about;
    if (told.reached_at)
        return words + ": reached on " + instant_words(*told.reached_at) + " by " + told.reached_by + "; " +
               counted(told.beyond, "order") + " would have to wait";
    if (!told.at)
        return words + ": nothing to come counts towards it" +
               (told.limit->spares_renewals ? " (renewals do not)" : " (what the CA suggests does not)");
    return words + ": at most " + number(static_cast<std::size_t>(told.most_used)) + " in use" + about +
           ", on " + instant_words(*told.at);
}

void add_lines(std::string& text, const std::string& line, const std::string& indent, std::size_t width) {
    std::string first = indent;
    for (const std::string& part : wrapped(line, width - indent.size())) {
        text += first + part + "\n";
        first = std::string(indent.size(), ' ');
    }
}

const ForecastDay* busiest_day(const Forecast& forecast) {
    const auto found = std::ranges::max_element(forecast.days, {}, &ForecastDay::total);
    return found == forecast.days.end() || found->total() == 0 ? nullptr : &*found;
}

std::string verdict(const Forecast& forecast) {
    const auto reached = static_cast<std::size_t>(std::ranges::count_if(
        forecast.limits, [](const ForecastLimit& limit) { return limit.reached_at.has_value(); }));
    std::string text;
    if (reached > 0)
        text = counted(reached, "limit") + " would be reached.";
    else if (!forecast.limits.empty())
        text = "No limit would be reached.";
    for (const std::string& ca : forecast.unlimited)
        text += (text.empty() ? "" : " ") + std::string("The limits of ") + ca + " are not known.";
    return text;
}

}  // namespace

std::string to_chart(const Forecast& forecast, std::size_t width, bool has_colour) {
    std::string text;
    std::string sentence = counted(forecast.total(), "renewal") + " of " +
                           counted(forecast.certificates, "certificate") + " in " +
                           counted(forecast.days.size(), "day");
    if (const ForecastDay* busiest = busiest_day(forecast))
        sentence += ", at most " + number(busiest->total()) + " a day (" + day_words(busiest->day) + ")";
    add_lines(text, sentence + ".", "", width);
    if (forecast.days.empty()) return text;
    const Chart chart(forecast, width);
    if (const std::string drawn = chart.text(has_colour); !drawn.empty())
        text += "\n  renewals " + chart.unit() + "\n" + drawn;
    std::map<std::string, std::size_t> by_ca;
    for (const ForecastDay& day : forecast.days) {
        for (const auto& [ca, count] : day.renewals) by_ca[ca] += count;
    }
    if (!by_ca.empty()) text += "\n";
    for (const auto& [ca, count] : by_ca) {
        add_lines(text, ca + ": " + counted(count, "renewal"), "  ", width);
        for (const ForecastLimit& told : forecast.limits) {
            if (told.ca == ca) add_lines(text, limit_text(told), told.reached_at ? "  ! " : "    ", width);
        }
    }
    text += "\n";
    if (forecast.assumed > 0)
        add_lines(text,
                  counted(forecast.assumed, "certificate") +
                      " never issued: taken to live as long as others of the same CA, else 90 days.",
                  "", width);
    add_lines(text, verdict(forecast), "", width);
    return text;
}

json to_json(const Forecast& forecast) {
    json days = json::array();
    for (const ForecastDay& day : forecast.days) {
        days.push_back({{"date", base::format_instant(day.day).substr(0, 10)},
                        {"total", day.total()},
                        {"renewals", day.renewals}});
    }
    json limits = json::array();
    for (const ForecastLimit& told : forecast.limits) {
        json reached = nullptr;
        if (told.reached_at)
            reached = {{"at", base::format_instant(*told.reached_at)},
                       {"certificate", told.reached_by},
                       {"orders_beyond", told.beyond}};
        limits.push_back({{"ca", told.ca},
                          {"limit", told.limit->id},
                          {"message", words_of(*told.limit)},
                          {"allowed", told.limit->most},
                          {"seconds", told.limit->per.count()},
                          {"most_used", told.most_used},
                          {"left_now", told.left_now ? json(*told.left_now) : json(nullptr)},
                          {"at", told.at ? json(base::format_instant(*told.at)) : json(nullptr)},
                          {"about", told.about.empty() ? json(nullptr) : json(told.about)},
                          {"reached", std::move(reached)}});
    }
    const ForecastDay* busiest = busiest_day(forecast);
    return {{"version", 1},
            {"generated_at", base::format_instant(forecast.now)},
            {"certificates", forecast.certificates},
            {"assumed_lifetimes", forecast.assumed},
            {"total", forecast.total()},
            {"busiest", busiest == nullptr ? json(nullptr)
                                           : json{{"date", base::format_instant(busiest->day).substr(0, 10)},
                                                  {"total", busiest->total()}}},
            {"days", std::move(days)},
            {"limits", std::move(limits)},
            {"unknown_limits", forecast.unlimited}};
}

}  // namespace agent
