// SPDX-License-Identifier: Apache-2.0
// `renewd account show|register|rollover|deactivate [CA]`.
#include "acme/account.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "agent/cli/command.hpp"
#include "agent/config/nearest.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/words.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Code;
using base::Result;
using nlohmann::json;

namespace {

std::size_t certificates_of(const Config& config, const std::string& ca) {
    return static_cast<std::size_t>(std::ranges::count_if(config.certificates, [&](const auto& one) {
        return std::ranges::find(one.second.ca, ca) != one.second.ca.end();
    }));
}

/// The CAs that some certificate is ordered from.
std::set<std::string, std::less<>> used_cas(const Config& config) {
    std::set<std::string, std::less<>> used;
    for (const auto& [name, certificate] : config.certificates)
        used.insert(certificate.ca.begin(), certificate.ca.end());
    return used;
}

Result<const CaConfig*> find_ca(const Config& config, const std::string& name) {
    const auto known = config.cas.find(name);
    if (known != config.cas.end()) return &known->second;
    std::set<std::string, std::less<>> names;
    for (const auto& [ca, settings] : config.cas) names.insert(ca);
    const std::string meant = nearest(name, names);
    return base::fail(Code::UsageWrong, "there is no CA \"" + base::printable(name, 100) + "\" in " +
                                            config.file +
                                            (meant.empty() ? "" : "; did you mean \"" + meant + "\"?"));
}

/// The CA that is named; without a name, the only one that certificates are ordered from.
Result<const CaConfig*> chosen_ca(const Workshop& shop) {
    const std::string& named = shop.options.account.ca;
    if (!named.empty()) return find_ca(shop.config, named);
    const auto used = used_cas(shop.config);
    if (used.size() == 1 && shop.options.account.action != "deactivate")
        return find_ca(shop.config, *used.begin());
    std::string names;
    for (const std::string& ca : used) names += (names.empty() ? "" : ", ") + ca;
    return base::fail(Code::UsageWrong, "which CA? name it" + (names.empty() ? "" : ": " + names));
}

/// What is known of one account, here and at the CA.
struct Shown {
    const CaConfig* ca = nullptr;
    std::string url{};
    std::string status{};  // as the CA says
    std::vector<std::string> contact{};
    std::string key_type{};
    std::string place{};
    std::optional<base::Instant> closed_at{};
    std::optional<LostAccount> lost{};
    std::optional<base::Error> error{};
};

Result<Shown> look_at(Workshop& shop, const CaConfig& ca) {
    Shown shown{.ca = &ca, .place = shop.store->account_place(ca.name, ca.directory)};
    const auto stored = TRY(shop.store->account(ca.name, ca.directory));
    if (!stored) return shown;
    shown.key_type = key_type_of(stored->key);
    shown.url = stored->url;
    shown.contact = stored->contact.value_or(ca.contact);
    shown.closed_at = stored->closed_at;
    shown.lost = stored->lost;
    if (shown.closed_at) shown.status = "deactivated";
    if (stored->url.empty() || shown.closed_at) return shown;
    auto view =
        acme::look_at_account(shop.surroundings->session(ca), {.key = stored->key, .url = stored->url});
    if (!view) {
        shown.error = std::move(view).error();
        return shown;
    }
    shown.status = view->status.empty() ? "valid" : view->status;
    if (!view->contact.empty()) shown.contact = view->contact;
    return shown;
}

json to_json(const Shown& shown) {
    const bool is_there = !shown.url.empty();
    return {{"ca", shown.ca->name},
            {"directory", shown.ca->directory},
            {"url", is_there ? json(shown.url) : json(nullptr)},
            {"status", shown.status.empty() ? json(nullptr) : json(shown.status)},
            {"contact", shown.contact},
            {"key_type", shown.key_type.empty() ? json(nullptr) : json(shown.key_type)},
            {"key_file", shown.key_type.empty() ? json(nullptr) : json(shown.place + "/account.key")},
            {"closed_at", shown.closed_at ? json(base::format_instant(*shown.closed_at)) : json(nullptr)},
            {"lost", shown.lost ? json{{"url", shown.lost->url}, {"at", base::format_instant(shown.lost->at)}}
                                : json(nullptr)},
            {"error", shown.error ? agent::to_json(*shown.error) : json(nullptr)}};
}

void print(const Workshop& shop, const Shown& shown) {
    const auto line = [](const char* what, const std::string& text) {
        std::printf("  %-12s %s\n", what, text.c_str());
    };
    std::printf("%s   %s\n", shown.ca->name.c_str(), shown.ca->directory.c_str());
    if (shown.url.empty()) {
        line("account", "none yet; registered with the first certificate, or now:  renewd account register " +
                            shown.ca->name);
        return;
    }
    std::string contact;
    for (const std::string& each : shown.contact)
        contact += (contact.empty() ? "" : ", ") + base::printable(each, 100);
    line("account", shown.url);
    if (shown.closed_at) {
        line("status", "closed on " + base::format_instant(*shown.closed_at) +
                           "; for a new one:  renewd account register " + shown.ca->name + " --new");
    } else {
        line("status",
             shown.error ? "not known: " + shown.error->message : base::printable(shown.status, 40));
    }
    if (shown.lost) {
        line("was", shown.lost->url + " until the CA lost it, on " + base::format_instant(shown.lost->at));
        line("", "records may name it; when none does:  renewd account register " + shown.ca->name);
    }
    line("contact", contact.empty() ? "none" : contact);
    line("key", shown.key_type + ", " + shown.place + "/account.key");
    if (shown.ca->eab) line("binding", shown.ca->eab->kid + ", " + base::describe(shown.ca->eab->key));
    line("used by", counted(certificates_of(shop.config, shown.ca->name), "certificate"));
}

Result<int> show(Workshop& shop) {
    std::vector<const CaConfig*> cas;
    if (!shop.options.account.ca.empty()) {
        cas.push_back(TRY(find_ca(shop.config, shop.options.account.ca)));
    } else {
        const auto used = used_cas(shop.config);
        for (const auto& [name, ca] : shop.config.cas) {
            const auto stored = TRY(shop.store->account(name, ca.directory));
            if (stored || used.contains(name)) cas.push_back(&ca);
        }
    }
    int code = exit_code::kWell;
    json list = json::array();
    for (const CaConfig* ca : cas) {
        const Shown shown = TRY(look_at(shop, *ca));
        if (shown.error) code = combined_exit_code(code, agent::exit_code_of(*shown.error));
        list.push_back(to_json(shown));
        if (!shop.options.json) print(shop, shown);
    }
    if (shop.options.json) std::printf("%s\n", json_text({{"version", 1}, {"accounts", list}}).c_str());
    return code;
}

/// What was done, for people; or what is there now, as JSON.
Result<int> done(Workshop& shop, const CaConfig& ca, const std::string& text) {
    if (shop.options.json) {
        std::printf("%s\n",
                    json_text({{"version", 1}, {"accounts", json::array({to_json(TRY(look_at(shop, ca)))})}})
                        .c_str());
    } else if (!shop.options.quiet) {
        std::printf("  %s   %s\n", ca.name.c_str(), text.c_str());
    }
    return exit_code::kWell;
}

Result<int> register_account(Workshop& shop, const CaConfig& ca) {
    Accounts& accounts = shop.surroundings->accounts();
    const auto& type = shop.options.account.key_type;
    const acme::Account account =
        TRY(shop.options.account.anew ? accounts.register_anew(ca, type.value_or(kFirstKeyType))
            : type                    ? accounts.open_with(ca, *type)
                                      : accounts.open(ca));
    TRY(accounts.tell_contact(ca));
    TRY(accounts.forget_loss(ca));
    return done(shop, ca, "account " + account.url);
}

Result<int> roll_over(Workshop& shop, const CaConfig& ca) {
    const auto stored = TRY(shop.store->account(ca.name, ca.directory));
    if (!stored || stored->url.empty()) {
        return base::fail(Code::UsageWrong, "there is no account at CA " + ca.name + " yet",
                          "renewd account register " + ca.name);
    }
    const base::KeyType type = shop.options.account.key_type.value_or(kFirstKeyType);
    TRY(shop.surroundings->accounts().change_key(ca, type));
    return done(shop, ca,
                "account " + stored->url + " has a new key (" + std::string(base::to_string(type)) +
                    "); the old one is gone");
}

/// True if the person types the CA's name.
bool confirms(const Workshop& shop, const CaConfig& ca, const std::string& url) {
    std::printf(
        "Closing the account %s at CA %s is for ever. Its certificates stay valid; none can be renewed or "
        "revoked with it\nafterwards (%s of yours renew there).\nType the name of the CA (%s) to close it: ",
        url.c_str(), ca.name.c_str(), counted(certificates_of(shop.config, ca.name), "certificate").c_str(),
        ca.name.c_str());
    std::fflush(stdout);
    std::array<char, 256> typed{};
    const bool any = std::fgets(typed.data(), static_cast<int>(typed.size()), stdin) != nullptr;
    return any && std::string_view(typed.data()) == ca.name + "\n";
}

Result<int> deactivate(Workshop& shop, const CaConfig& ca) {
    const auto stored = TRY(shop.store->account(ca.name, ca.directory));
    const bool has_one = stored && !stored->url.empty() && !stored->closed_at;
    if (has_one && !shop.options.account.yes && !confirms(shop, ca, stored->url)) {
        return base::fail(Code::UsageWrong, "the account at CA " + ca.name + " was not closed",
                          "type the CA's name when asked, or say --yes");
    }
    TRY(shop.surroundings->accounts().close(ca));
    return done(shop, ca,
                "account " + stored->url + " is closed; its files stay in " +
                    shop.store->account_place(ca.name, ca.directory));
}

Result<int> act(Workshop& shop) {
    const std::string& action = shop.options.account.action;
    if (action == "show") return show(shop);
    const CaConfig& ca = *TRY(chosen_ca(shop));
    if (action == "register") return register_account(shop, ca);
    if (action == "rollover") return roll_over(shop, ca);
    return deactivate(shop, ca);
}

}  // namespace

int account_command(Workshop& shop) {
    const auto code = act(shop);
    if (code) return *code;
    tell(shop.options, code.error());
    return exit_code_of(code.error());
}

}  // namespace agent
