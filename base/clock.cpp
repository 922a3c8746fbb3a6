// SPDX-License-Identifier: Apache-2.0
// Dates are read and written by hand: strftime and strptime follow the locale, and a date of a CA must mean
// the same on every machine.
#include "base/clock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <thread>

namespace base {

namespace {

/// Takes a text apart from its front; once something was not as wanted, it stays broken.
class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    int number(std::size_t digits) {
        int value = 0;
        if (rest_.size() < digits) return give_up();
        for (const char digit : rest_.substr(0, digits)) {
            if (digit < '0' || digit > '9') return give_up();
            value = value * 10 + (digit - '0');
        }
        rest_.remove_prefix(digits);
        return value;
    }

    /// One of the characters, or 0.
    char one_of(std::string_view characters) {
        if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) {
            give_up();
            return 0;
        }
        const char found = rest_.front();
        rest_.remove_prefix(1);
        return found;
    }

    void literal(std::string_view text) {
        if (!rest_.starts_with(text)) {
            give_up();
            return;
        }
        rest_.remove_prefix(text.size());
    }

    /// The index of the name that comes next.
    template <std::size_t Count>
    unsigned name(const std::array<std::string_view, Count>& names) {
        const auto* const found = std::find_if(
            names.begin(), names.end(), [&](std::string_view text) { return rest_.starts_with(text); });
        if (found == names.end()) {
            give_up();
            return 0;
        }
        rest_.remove_prefix(found->size());
        return static_cast<unsigned>(found - names.begin());
    }

    void skip_fraction() {
        if (!rest_.starts_with('.')) return;
        rest_.remove_prefix(1);
        const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        if (digits == 0) give_up();
        rest_.remove_prefix(digits);
    }

    [[nodiscard]] bool all_read() const { return !broken_ && rest_.empty(); }

  private:
    int give_up() {
        broken_ = true;
        rest_ = {};
        return 0;
    }

    std::string_view rest_;
    bool broken_ = false;
};

struct TimeOfDay {
    int hour = 0;
    int minute = 0;
    int second = 0;
};

TimeOfDay read_time(Reader& reader) {
    TimeOfDay time{.hour = reader.number(2)};
    reader.literal(":");
    time.minute = reader.number(2);
    reader.literal(":");
    time.second = reader.number(2);
    return time;
}

/// The instant of a date and a time that is `offset` ahead of UTC.
std::optional<Instant> to_instant(std::chrono::year_month_day date, TimeOfDay time, Seconds offset) {
    if (!date.ok() || time.hour > 23 || time.minute > 59 || time.second > 60) return std::nullopt;
    const Instant instant = std::chrono::sys_days(date) + std::chrono::hours(time.hour) +
                            std::chrono::minutes(time.minute) + Seconds(time.second) - offset;
    // A leap second exists at the end of a UTC day only; it is told as the second after it.
    const bool at_midnight = instant == std::chrono::floor<std::chrono::days>(instant);
    if (time.second == 60 && !at_midnight) return std::nullopt;
    return instant;
}

}  // namespace

Instant SystemClock::now() const {
    return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
}

Steady SystemClock::steady() const {
    // The boot clock: a deadline also passes while the machine sleeps.
    timespec now{};
    (void)::clock_gettime(CLOCK_BOOTTIME, &now);
    return Steady(Seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

void SystemClock::sleep(Milliseconds duration) {
    // By the same clock: what is waited for after a suspend has long passed. In slices, not by
    // clock_nanosleep(CLOCK_BOOTTIME), which whatever stands in for the clocks of a test does not know.
    constexpr std::chrono::nanoseconds kSlice = Seconds(10);
    const Steady until = steady() + duration;
    for (Steady now = steady(); now < until; now = steady())
        std::this_thread::sleep_for(std::min(until - now, kSlice));
}

std::string format_instant(Instant instant) {
    const auto day = std::chrono::floor<std::chrono::days>(instant);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(instant - day);
    std::array<char, 64> text{};
    (void)std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                        static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                        static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                        static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
    return text.data();
}

std::optional<Instant> parse_instant(std::string_view text) {
    Reader reader(text);
    const std::chrono::year year(reader.number(4));
    reader.literal("-");
    const std::chrono::month month(static_cast<unsigned>(reader.number(2)));
    reader.literal("-");
    const std::chrono::day day(static_cast<unsigned>(reader.number(2)));
    reader.one_of("Tt");
    const TimeOfDay time = read_time(reader);
    reader.skip_fraction();
    Seconds offset{0};
    const char zone = reader.one_of("Zz+-");
    if (zone == '+' || zone == '-') {
        const int hours = reader.number(2);
        reader.literal(":");
        const int minutes = reader.number(2);
        if (hours > 23 || minutes > 59) return std::nullopt;
        offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
        if (zone == '-') offset = -offset;
    }
    if (!reader.all_read()) return std::nullopt;
    return to_instant({year, month, day}, time, offset);
}

std::optional<Instant> parse_http_date(std::string_view text) {
    static constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu",
                                                              "Fri", "Sat", "Sun"};
    static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    Reader reader(text);
    // Whether it is the right day of the week is not asked: a Retry-After is better kept than lost over it.
    reader.name(kDays);
    reader.literal(", ");
    const std::chrono::day day(static_cast<unsigned>(reader.number(2)));
    reader.literal(" ");
    const std::chrono::month month(reader.name(kMonths) + 1);
    reader.literal(" ");
    const std::chrono::year year(reader.number(4));
    reader.literal(" ");
    const TimeOfDay time = read_time(reader);
    reader.literal(" GMT");
    if (!reader.all_read()) return std::nullopt;
    return to_instant({year, month, day}, time, Seconds(0));
}

}  // namespace base
