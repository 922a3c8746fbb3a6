// SPDX-License-Identifier: Apache-2.0
// One provider with its API in memory and its secrets in a directory of its own.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "acme/solvers/dns/cloud_kinds.hpp"
#include "tests/unit/acme/dns/fake_api.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace fakes {

inline const std::string kSecret = "not-to-be-seen";

/// A file that its owner alone may read; its path.
inline std::string write_private(const std::string& path, const std::string& text) {
    namespace fs = std::filesystem;
    std::ofstream(path) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    return path;
}

inline const acme::ProviderKind& kind_of(std::string_view name) {
    static const std::vector<acme::ProviderKind> kinds = acme::cloud_kinds();
    for (const acme::ProviderKind& kind : kinds) {
        if (kind.name == name) return kind;
    }
    FAIL("no provider of this name");
    return kinds.front();
}

struct CloudWorld {
    tests::TemporaryDirectory directory{};
    Clock clock{};
    base::Dns dns{};
    DnsApi api;
    acme::ProviderSettings settings{.solver = "dns"};
    acme::ProviderEffects effects{.transport = api, .dns = dns, .clock = clock};
    std::unique_ptr<acme::DnsProvider> provider{};

    explicit CloudWorld(const std::string& name) : api(name) {
        const std::string secret = write_private(directory / "secret", kSecret + "\n");
        for (const acme::ProviderKey& key : kind_of(name).keys) {
            if (key.kind != acme::ProviderKey::Kind::Secret || !key.is_required) continue;
            const std::string text(key.name);
            settings.secrets[text] = {.kind = base::SecretSource::Kind::File, .name = secret, .key = text};
        }
        if (name == "route53") settings.texts["access_key_id"] = "AKIDEXAMPLE";
        if (name == "powerdns") settings.texts["server"] = "https://pdns.example/";
        if (name == "acme-dns") {
            settings.texts["server"] = "https://auth.example";
            settings.texts["storage"] = write_private(directory / "accounts.json", R"({"a.example.com": {
                "fulldomain": "d4.auth.example", "subdomain": "d4", "server_url": "https://auth.example",
                "username": "eabcdb41-d89f-4580-826f-3e62e9755ef2", "password": "not-to-be-seen"}})");
        }
        // Two pages of every API, and the zone in question on the second one.
        for (int i = 0; i < 119; ++i) api.zones.push_back("zone" + std::to_string(i) + ".test");
        api.zones.insert(api.zones.begin(), "com");
        api.zones.emplace_back("example.com");
        make(name);
    }

    void make(const std::string& name) {
        auto made = kind_of(name).make(settings, effects);
        REQUIRE_MESSAGE(made.has_value(), message_of(made));
        provider = std::move(*made);
    }
};

/// As long as a value of ACME's, which is all that acme-dns takes.
inline std::string long_value(std::string text) {
    text.resize(43, '_');
    return text;
}

/// A value for "a.example.com", where `provider` wants it.
inline acme::TxtRecord txt(const std::string& provider, const std::string& value,
                           const std::string& zone = "example.com.") {
    acme::TxtRecord record{.name = "_acme-challenge.a.example.com.", .value = value, .zone = zone};
    if (provider == "acme-dns") record.name = "d4.auth.example.";
    record.task.identifier = {.type = base::IdentifierType::Dns, .value = "a.example.com"};
    return record;
}

}  // namespace fakes
