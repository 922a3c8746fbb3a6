// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/file_store.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fcntl.h>

#include "agent/memory/state_files.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

constexpr std::uint64_t kHistoryMax = 1'048'576;
constexpr const char* kKeyFile = "/privkey.pem";
constexpr const char* kRequestFile = "/request.der";  // in its place, where the key is the user's own

/// The number a generation's directory is named with; 0 if it is none.
int generation_number(const std::string& name) {
    int number = 0;
    const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool whole = status == std::errc{} && end == name.data() + name.size();
    return whole && number > 0 && std::to_string(number) == name ? number : 0;
}

bool looks_volatile(base::Files& files, const std::string& directory) {
    constexpr std::array<std::string_view, 5> kVolatile{"/tmp/", "/var/tmp/", "/run/", "/var/run/",
                                                        "/var/cache/"};
    const std::string with_slash = directory + "/";
    if (std::ranges::any_of(kVolatile, [&](auto prefix) { return with_slash.starts_with(prefix); })) {
        return true;
    }
    const auto in_memory = files.is_in_memory(directory);
    return in_memory && *in_memory;
}

}  // namespace

Result<std::unique_ptr<FileStore>> FileStore::open(base::Files& files, std::string directory,
                                                   bool allow_volatile) {
    TRY(as_state(base::make_directories(files, directory + "/certificates", kPrivateDirectory)));
    TRY(as_state(base::make_directories(files, directory + "/accounts", kPrivateDirectory)));
    if (!allow_volatile && looks_volatile(files, directory)) {
        return base::fail(Code::StateVolatile,
                          directory + " does not survive a reboot or a cleaner, and keys in it would be lost",
                          "choose another agent.state_dir, or set agent.allow_volatile = true for a test");
    }
    return std::unique_ptr<FileStore>(new FileStore(files, std::move(directory), /*may_write=*/true));
}

std::unique_ptr<FileStore> FileStore::open_read_only(base::Files& files, std::string directory) {
    return std::unique_ptr<FileStore>(new FileStore(files, std::move(directory), /*may_write=*/false));
}

std::string FileStore::home(const std::string& certificate) const {
    const bool is_wildcard = certificate.starts_with("*");
    return root_ + "/certificates/" + (is_wildcard ? "_wildcard" + certificate.substr(1) : certificate);
}

std::string FileStore::directory_of(const std::string& certificate, int number) const {
    return home(certificate) + "/" + std::to_string(number);
}

Result<std::unique_ptr<Lease>> FileStore::lease(const std::string& certificate) {
    auto lease = TRY(take_lease(files_, home(certificate)));
    // Temporary files of a writer that was killed; nobody else writes here now.
    for (const std::string& entry : TRY(as_state(files_.list(home(certificate))))) {
        const bool is_leftover = entry.starts_with('.') && entry.find(".renewd-") != std::string::npos;
        if (is_leftover) TRY(as_state(base::remove_tree(files_, home(certificate) + "/" + entry)));
    }
    return lease;
}

Result<std::vector<std::string>> FileStore::certificates() {
    auto names = files_.list(root_ + "/certificates");
    if (!names && names.error().code == Code::FileNotFound) return std::vector<std::string>{};
    std::vector<std::string> certificates = TRY(as_state(std::move(names)));
    for (std::string& name : certificates) {
        if (name.starts_with("_wildcard")) name = "*" + name.substr(9);
    }
    return certificates;
}

Result<std::optional<Record>> FileStore::read_record(const std::string& certificate) {
    std::optional<Record> found;
    for (const char* file : {"/record.json", "/record.json.1"}) {
        const auto text = TRY(as_state(read_if_there(files_, home(certificate) + file, kStateFileMax)));
        if (!text) continue;
        auto record = parse_record(*text);
        if (record && record->name == certificate) return std::optional(std::move(*record));
        if (!record && record.error().code == Code::StateNewer) {
            return tl::make_unexpected(std::move(record).error().within(home(certificate) + file));
        }
    }
    return found;
}

Result<std::vector<GenerationRecord>> FileStore::read_generations(const std::string& certificate,
                                                                  const std::vector<int>& numbers) {
    std::vector<GenerationRecord> generations;
    for (const int number : numbers) {
        const auto text = TRY(
            as_state(read_if_there(files_, directory_of(certificate, number) + "/meta.json", kStateFileMax)));
        auto generation = text ? parse_generation(*text)
                               : Result<GenerationRecord>(base::fail(Code::StateCorrupt, "is missing"));
        // One that cannot be read is left where it is, for a person, and is never counted as held.
        if (generation && generation->number == number) generations.push_back(std::move(*generation));
    }
    return generations;
}

Result<std::optional<Record>> FileStore::load(const std::string& certificate) {
    auto names = files_.list(home(certificate));
    if (!names && names.error().code == Code::FileNotFound) return std::optional<Record>{};
    const std::vector<std::string> entries = TRY(as_state(std::move(names)));
    std::optional<Record> record = TRY(read_record(certificate));

    std::vector<int> unrecorded;
    for (const std::string& entry : entries) {
        const int number = generation_number(entry);
        if (number > 0 && !(record && record->generation(number) != nullptr)) unrecorded.push_back(number);
    }
    if (!record && unrecorded.empty()) return std::optional<Record>{};
    if (!record) record = Record{.name = certificate};
    for (GenerationRecord& generation : TRY(read_generations(certificate, unrecorded))) {
        record->first_seen =
            record->first_seen == base::Instant{} ? generation.issued_at : record->first_seen;
        record->generations.push_back(std::move(generation));
    }
    std::sort(record->generations.begin(), record->generations.end(),
              [](const GenerationRecord& a, const GenerationRecord& b) { return a.number < b.number; });
    return record;
}

Result<void> FileStore::save(const Record& record) {
    const std::string path = home(record.name) + "/record.json";
    const auto current = TRY(as_state(read_if_there(files_, path, kStateFileMax)));
    if (current) {
        // The one before stays at hand; one that cannot be trusted is kept aside instead of taking its place.
        const bool sound = parse_record(*current).has_value();
        const std::string aside = path + (sound ? ".1" : ".corrupt");
        TRY(as_state(base::remove_tree(files_, aside)));
        TRY(as_state(files_.link(path, aside)));
    }
    return as_state(base::write_durably(files_, path, to_text(record), kPrivate));
}

Result<std::optional<OpenOrder>> FileStore::open_order(const std::string& certificate) {
    const std::string next = home(certificate) + "/next";
    const auto text = TRY(as_state(read_if_there(files_, next + "/order.json", kStateFileMax)));
    if (!text) return std::optional<OpenOrder>{};
    auto order = parse_order(*text);
    const bool has_request = order && !order->ordered_for.request_key.empty();
    auto key = base::read_file(files_, next + (has_request ? kRequestFile : kKeyFile), kPemFileMax);
    if (!order && order.error().code == Code::StateNewer)
        return tl::make_unexpected(std::move(order).error());
    if (!order || !key) {
        return base::fail(Code::StateCorrupt, next + " holds an order that cannot be read",
                          "look at it, then remove " + next + " to order anew");
    }
    if (has_request) {
        order->request_der = std::move(*key);
    } else {
        order->key_pem = base::Secret(std::move(*key));
    }
    return std::optional(std::move(*order));
}

Result<void> FileStore::begin_order(const std::string& certificate, const OpenOrder& order) {
    const std::string next = home(certificate) + "/next";
    TRY(as_state(base::remove_tree(files_, next)));
    TRY(as_state(base::make_directories(files_, next, kPrivateDirectory)));
    const bool has_request = !order.request_der.empty();
    // Durable under its name together with order.json, before which nobody looks for it.
    TRY(as_state(base::write_whole(files_, next + (has_request ? kRequestFile : kKeyFile),
                                   has_request ? order.request_der : order.key_pem.reveal(), kPrivate)));
    return order_placed(certificate, order);
}

Result<void> FileStore::order_placed(const std::string& certificate, const OpenOrder& order) {
    return as_state(
        base::write_durably(files_, home(certificate) + "/next/order.json", to_text(order), kPrivate));
}

Result<void> FileStore::drop_order(const std::string& certificate) {
    return as_state(base::remove_tree(files_, home(certificate) + "/next"));
}

Result<int> FileStore::next_number(const std::string& certificate) {
    int highest = 0;
    for (const std::string& entry : TRY(as_state(files_.list(home(certificate))))) {
        highest = std::max(highest, generation_number(entry));
    }
    const std::optional<Record> record = TRY(read_record(certificate));
    if (record && record->wanted() != nullptr) highest = std::max(highest, record->wanted()->number);
    return highest + 1;
}

Result<void> FileStore::complete(const std::string& certificate, const GenerationRecord& record,
                                 const base::Chain& chain) {
    const std::string next = home(certificate) + "/next";
    const base::Chain leaf(chain.begin(), chain.begin() + 1);
    const base::Chain issuers(chain.begin() + 1, chain.end());
    const std::array<std::pair<const char*, std::string>, 4> contents{
        {{"/cert.pem", base::to_pem(leaf)},
         {"/chain.pem", base::to_pem(issuers)},
         {"/fullchain.pem", base::to_pem(chain)},
         {"/meta.json", to_text(record)}}};
    for (const auto& [name, content] : contents) {
        TRY(as_state(base::write_whole(files_, next + name, content, kPrivate)));
    }
    TRY(as_state(base::sync_directory(files_, next)));
    TRY(as_state(files_.rename(next, directory_of(certificate, record.number))));
    TRY(as_state(base::sync_directory(files_, home(certificate))));
    return as_state(
        base::replace_symlink(files_, std::to_string(record.number), home(certificate) + "/live"));
}

Result<deployers::Generation> FileStore::generation(const std::string& certificate, int number) {
    const std::string directory = directory_of(certificate, number);
    const auto read = [&](const char* file) {
        return base::read_file(files_, directory + file, kPemFileMax);
    };
    const GenerationRecord meta = TRY(parse_generation(TRY(as_state(read("/meta.json")))));
    deployers::Generation generation{.certificate = certificate, .number = number};
    for (const std::string& name : meta.ordered_for.names) {
        generation.names.push_back(TRY(base::parse_identifier(name)));
    }
    generation.chain = TRY(base::parse_chain(TRY(as_state(read("/fullchain.pem")))));
    generation.request_key = meta.ordered_for.request_key;
    if (generation.has_key()) generation.key_pem = base::Secret(TRY(as_state(read(kKeyFile))));
    if (generation.chain.front().sha256() != meta.sha256) {
        return base::fail(Code::StateCorrupt,
                          directory + "/fullchain.pem is not the certificate that was issued");
    }
    return generation;
}

Result<void> FileStore::amend(const std::string& certificate, const GenerationRecord& record) {
    const std::string path = directory_of(certificate, record.number) + "/meta.json";
    return as_state(base::write_durably(files_, path, to_text(record), kPrivate));
}

Result<void> FileStore::prune(const std::string& certificate, const std::vector<int>& kept) {
    for (const std::string& entry : TRY(as_state(files_.list(home(certificate))))) {
        const int number = generation_number(entry);
        if (number == 0 || std::ranges::find(kept, number) != kept.end()) continue;
        TRY(as_state(base::remove_tree(files_, directory_of(certificate, number))));
    }
    return {};
}

Result<void> FileStore::forget(const std::string& certificate) {
    // Half of a directory would be taken for a certificate that has lost its record, and put together again:
    // it is moved away whole, and what a killed run has left there goes with the next.
    const std::string place = root_ + "/forgotten";
    const std::string aside = home(certificate).replace(0, (root_ + "/certificates").size(), place);
    TRY(as_state(base::make_directories(files_, place, kPrivateDirectory)));
    TRY(as_state(base::remove_tree(files_, aside)));
    TRY(as_state(files_.rename(home(certificate), aside)));
    TRY(as_state(base::sync_directory(files_, root_ + "/certificates")));
    return as_state(base::remove_tree(files_, place));
}

Result<void> FileStore::remember(const std::string& certificate, const std::string& line) {
    const std::string path = home(certificate) + "/history.jsonl";
    if (const auto info = files_.info(path); info && info->size > kHistoryMax) {
        TRY(as_state(files_.rename(path, path + ".1")));
    }
    const auto file = TRY(as_state(files_.open(path, O_WRONLY | O_APPEND | O_CREAT, 0600)));
    TRY(as_state(files_.write(file, line + "\n")));
    return {};
}

Result<std::vector<std::string>> FileStore::history(const std::string& certificate, std::size_t lines_max) {
    std::vector<std::string> lines;  // newest first
    for (const char* file : {"/history.jsonl", "/history.jsonl.1"}) {
        if (lines.size() >= lines_max) break;
        const auto text = TRY(as_state(read_if_there(files_, home(certificate) + file, kStateFileMax)));
        std::size_t end = text ? text->size() : 0;
        while (end > 0 && lines.size() < lines_max) {
            const std::size_t before = text->rfind('\n', end - 1);
            const std::size_t begin = before == std::string::npos ? 0 : before + 1;
            if (begin < end) lines.push_back(text->substr(begin, end - begin));
            end = begin == 0 ? 0 : begin - 1;
        }
    }
    std::ranges::reverse(lines);
    return lines;
}

Result<std::uint64_t> FileStore::free_bytes() {
    return as_state(files_.free_bytes(root_));
}

}  // namespace agent
