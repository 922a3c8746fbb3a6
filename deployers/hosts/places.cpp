// SPDX-License-Identifier: Apache-2.0
// The names, and the journal's lines.
#include "deployers/hosts/places.hpp"

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace deployers {

namespace {

std::string beside(const std::string& work, const std::string& path, std::string_view ending) {
    const std::string tag = work.substr(work.rfind('/') + 1);
    return base::directory_of(path) + "/" + tag + "." + base::sha256_hex(path).substr(0, 8) +
           std::string(ending);
}

}  // namespace

std::string work_directory(const Installation& installation) {
    const std::string tag = base::sha256_hex(installation.id).substr(0, 12);
    return base::directory_of(installation.published.front().path) + "/.renewd-" + tag;
}

std::string new_name(const std::string& work, const std::string& path) {
    return beside(work, path, ".new");
}

std::string old_name(const std::string& work, const std::string& path) {
    return beside(work, path, ".old");
}

std::string lock_directory(uid_t user, const std::string& own) {
    return user == 0 || own.empty() ? "/run/renewd-locks" : own;
}

std::string service_lock_name(const std::vector<std::string>& reload) {
    std::string lines;
    for (const std::string& word : reload) lines += word + "\n";
    return "service-" + base::sha256_hex(lines).substr(0, 16);
}

std::string target_lock_name(const std::string& work) {
    return "target-" + base::sha256_hex(work).substr(0, 16);
}

std::string to_text(const Journal& journal) {
    std::string text;
    for (const JournalEntry& entry : journal) {
        text += entry.sha256 + (entry.had ? " had " : " none ") + entry.path + "\n";
    }
    return text;
}

Journal parse_journal(std::string_view text) {
    constexpr std::size_t kDigest = 64;
    Journal journal;
    while (!text.empty()) {
        const std::string_view line = base::take_until(text, '\n');
        if (line.size() < kDigest) continue;
        for (const auto& [word, had] : {std::pair{std::string_view(" had /"), true}, {" none /", false}}) {
            if (!line.substr(kDigest).starts_with(word)) continue;
            journal.push_back({.sha256 = std::string(line.substr(0, kDigest)),
                               .had = had,
                               .path = std::string(line.substr(kDigest + word.size() - 1))});
        }
    }
    return journal;
}

}  // namespace deployers
