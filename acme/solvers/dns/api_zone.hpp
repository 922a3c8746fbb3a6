// SPDX-License-Identifier: Apache-2.0
// Which zone of an account a name belongs to, and how a set of TXT values is changed without losing anybody
// else's: the two things that every API wants in its own words and all of them want alike.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/solvers/dns/api.hpp"
#include "acme/solvers/dns/provider.hpp"
#include "base/error.hpp"

namespace acme {

/// A zone as an API knows it.
struct ApiZone {
    std::string id{};
    std::string name{};    // lower case, without a final dot
    bool is_idle = false;  // the API says that DNS is not served from it (yet, or any more)
};

struct ZonePage {
    std::vector<ApiZone> zones{};
    std::string next{};  // what the next page is asked for with; empty: this was the last
};

/// How an API is asked for its zones.
struct ZoneSource {
    /// The zone of exactly this name; nothing if there is none.
    std::function<base::Result<std::optional<ApiZone>>(const std::string& name)> named{};
    /// One page of all zones; "" asks for the first. Empty where an API has no pages: then `named` is asked
    /// for one suffix after the other.
    std::function<base::Result<ZonePage>(const std::string& cursor)> page{};
    /// What to do where there are several zones of one name.
    std::string_view several{};
};

/// The zone that is the longest suffix of the record's name, the record's own `zone` being tried first: DNS
/// says which zone is served, an account may hold others. provider/no-zone.
[[nodiscard]] base::Result<ApiZone> find_zone(const Api& api, const TxtRecord& record,
                                              const ZoneSource& source);

/// The zone of this name that `prefix` and its name lead to, in an API that knows zones by their names alone;
/// nothing where it is Absent.
[[nodiscard]] base::Result<std::optional<ApiZone>> show_zone(const Api& api, const std::string& prefix,
                                                             const std::string& name);
/// The zone of this name on the page; of several the one that is not idle. provider/no-zone with the ids of
/// those that cannot be told apart; `several` says what to do about them.
[[nodiscard]] base::Result<std::optional<ApiZone>> zone_among(const Api& api, const ZonePage& page,
                                                              const std::string& name,
                                                              std::string_view several);

/// "_acme-challenge.www.example.com" of "_Acme-Challenge.www.example.com.".
[[nodiscard]] std::string bare_name(std::string_view name);
/// "_acme-challenge.www" of that in zone "example.com"; "@" for the zone's own name.
[[nodiscard]] std::string relative_name(std::string_view name, std::string_view zone);

/// A TXT value in presentation format (RFC 1035 §5.1): in quotes, in strings of at most 255 bytes.
[[nodiscard]] std::string quoted_txt(std::string_view value);
/// Is what an API shows, quoted or not, this value?
[[nodiscard]] bool is_value(std::string_view shown, std::string_view value);

/// All TXT values at one name, as the API writes them.
struct TxtSet {
    std::vector<std::string> values{};  // empty: there is no such set
    std::uint32_t ttl = 0;
    friend bool operator==(const TxtSet&, const TxtSet&) = default;
};

enum class TxtChange { Add, Remove };

/// What is needed to change a set in an API that only knows whole sets.
struct TxtSetAccess {
    std::function<base::Result<TxtSet>()> read{};
    /// Makes `after` of `before`; empty values: no set any more. Busy: it is read again, and so on.
    /// Absent: the zone or the set has gone meanwhile, which is well where a value was to be removed.
    std::function<base::Result<ApiAnswer>(const TxtSet& before, const TxtSet& after)> write{};
};

/// Adds or removes one value, in this process by one thread at a time for each name. The other values and
/// their TTL stay. Nothing is written if nothing is to be changed.
[[nodiscard]] base::Result<void> change_set(const Api& api, const TxtRecord& record, TxtChange change,
                                            const TxtSetAccess& access);

/// Held while the values at a name are read and written. Threads at different names rarely wait for one
/// another.
class NameLock {
  public:
    explicit NameLock(std::string_view name);

  private:
    std::unique_lock<std::mutex> held_;
};

}  // namespace acme
