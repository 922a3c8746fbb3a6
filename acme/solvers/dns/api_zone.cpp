// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/api_zone.hpp"

#include <algorithm>
#include <iterator>

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

/// Ten thousand zones of 50 a page.
constexpr unsigned kPagesMax = 200;
constexpr std::size_t kStringMax = 255;
/// Values at one name that an API may hold; more are not ours to carry to and fro.
constexpr std::size_t kValuesMax = 1000;

bool is_suffix(std::string_view name, std::string_view zone) {
    if (zone.empty() || !name.ends_with(zone)) return false;
    return name.size() == zone.size() || name[name.size() - zone.size() - 1] == '.';
}

/// Of several zones of one name the one that is not idle.
Result<std::optional<ApiZone>> only_one(const Api& api, std::vector<ApiZone> zones,
                                        std::string_view several) {
    if (std::ranges::any_of(zones, [](const ApiZone& zone) { return !zone.is_idle; }))
        std::erase_if(zones, [](const ApiZone& zone) { return zone.is_idle; });
    if (zones.empty()) return std::nullopt;
    if (zones.size() == 1) return std::move(zones.front());
    std::string ids;
    for (const ApiZone& zone : zones) ids += (ids.empty() ? "" : ", ") + base::printable(zone.id, 100);
    return api.fail(Code::ProviderNoZone,
                    "has several zones " + base::printable(bare_name(zones.front().name), 253) +
                        ", and does not say which of them is in DNS: " + ids,
                    std::string(several));
}

Result<std::optional<ApiZone>> search_pages(const Api& api, const std::string& name,
                                            const ZoneSource& source) {
    std::vector<ApiZone> best;  // all of one name
    std::string cursor;
    for (unsigned page = 0; page < kPagesMax; ++page) {
        ZonePage found = TRY(source.page(cursor));
        for (ApiZone& zone : found.zones) {
            zone.name = bare_name(zone.name);
            if (!is_suffix(name, zone.name)) continue;
            const std::size_t length = best.empty() ? 0 : best.front().name.size();
            if (zone.name.size() > length) best.clear();
            if (zone.name.size() >= length) best.push_back(std::move(zone));
        }
        if (found.next.empty()) return only_one(api, std::move(best), source.several);
        if (found.next == cursor) return api.fail(Code::ProviderProtocol, "its list of zones never ends");
        cursor = std::move(found.next);
    }
    return api.fail(Code::ProviderProtocol,
                    "its list of zones has more than " + std::to_string(kPagesMax) + " pages",
                    "use a token that sees fewer zones");
}

Result<std::optional<ApiZone>> search_suffixes(const std::string& name, const ZoneSource& source) {
    // A top-level domain is nobody's zone, and costs a request.
    for (std::size_t at = 0; at != std::string::npos; at = name.find('.', at)) {
        if (at > 0) ++at;
        const std::string suffix = name.substr(at);
        if (suffix.find('.') == std::string::npos) break;
        if (auto zone = TRY(source.named(suffix))) return zone;
    }
    return std::nullopt;
}

}  // namespace

std::string bare_name(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    std::string out(name);
    for (char& character : out) {
        if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
    }
    return out;
}

std::string relative_name(std::string_view name, std::string_view zone) {
    const std::string full = bare_name(name);
    if (full == zone) return "@";
    return is_suffix(full, zone) ? full.substr(0, full.size() - zone.size() - 1) : full;
}

Result<ApiZone> find_zone(const Api& api, const TxtRecord& record, const ZoneSource& source) {
    const std::string name = bare_name(record.name);
    const std::string guess = bare_name(record.zone);
    std::optional<ApiZone> zone;
    if (is_suffix(name, guess)) zone = TRY(source.named(guess));
    if (!zone) {
        zone = source.page ? TRY(search_pages(api, name, source)) : TRY(search_suffixes(name, source));
    }
    if (!zone || zone->id.empty()) {
        return api.fail(Code::ProviderNoZone, "has no zone for " + base::printable(name, 253),
                        "is its zone in this account, and may the token see it?");
    }
    zone->name = bare_name(zone->name);
    return std::move(*zone);
}

Result<std::optional<ApiZone>> show_zone(const Api& api, const std::string& prefix, const std::string& name) {
    const ApiCall call{
        .path = prefix + escaped(name), .what = "show the zone " + name, .expects = {Verdict::Absent}};
    const ApiAnswer answer = TRY(api.ask(call));
    if (answer.verdict == Verdict::Absent) return std::nullopt;
    TRY(api.read_json(call, answer));
    return ApiZone{.id = name, .name = name};
}

Result<std::optional<ApiZone>> zone_among(const Api& api, const ZonePage& page, const std::string& name,
                                          std::string_view several) {
    std::vector<ApiZone> zones;
    std::ranges::copy_if(page.zones, std::back_inserter(zones),
                         [&](const ApiZone& zone) { return bare_name(zone.name) == name; });
    return only_one(api, std::move(zones), several);
}

std::string quoted_txt(std::string_view value) {
    std::string out;
    do {
        const std::string_view part = value.substr(0, kStringMax);
        value.remove_prefix(part.size());
        out += out.empty() ? "\"" : " \"";
        for (const char character : part) {
            if (character == '"' || character == '\\') out += '\\';
            out += character;
        }
        out += '"';
    } while (!value.empty());
    return out;
}

bool is_value(std::string_view shown, std::string_view value) {
    return shown == value || shown == quoted_txt(value);
}

Result<void> change_set(const Api& api, const TxtRecord& record, TxtChange change,
                        const TxtSetAccess& access) {
    const NameLock lock(record.name);
    const auto attempt = [&]() -> Result<ApiAnswer> {
        const TxtSet before = TRY(access.read());
        if (before.values.size() > kValuesMax) {
            return api.fail(Code::ProviderProtocol, "has more than " + std::to_string(kValuesMax) +
                                                        " TXT values at " +
                                                        base::printable(record.name, 253));
        }
        TxtSet after = before;
        std::erase_if(after.values, [&](const std::string& shown) { return is_value(shown, record.value); });
        const bool was_there = after.values.size() != before.values.size();
        if (was_there == (change == TxtChange::Add)) return ApiAnswer{};
        if (change == TxtChange::Add) after.values.push_back(quoted_txt(record.value));
        // A set has one TTL (RFC 2181 §5.2), and it is not ours to change it for others.
        if (before.values.empty()) after.ttl = record.ttl;
        return access.write(before, after);
    };
    ApiAnswer answer = TRY(api.settle(attempt));
    // Where the zone or the set is gone, so is what was to be taken away.
    const bool is_missed = answer.verdict == Verdict::Absent && change == TxtChange::Add;
    return is_missed ? base::Failure(std::move(answer.refusal)) : Result<void>{};
}

NameLock::NameLock(std::string_view name) {
    // Of one process, whichever solver it is: two may name the same account.
    static std::array<std::mutex, 64> mutexes;
    held_ = std::unique_lock(mutexes.at(std::hash<std::string_view>{}(name) % mutexes.size()));
}

}  // namespace acme
