// SPDX-License-Identifier: Apache-2.0
#include "agent/config/catalogue.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include <malloc.h>

#include "agent/config/reading.hpp"
#include "base/text.hpp"

namespace agent {

using base::Code;
using base::Result;

struct Catalogue::Defaults {
    std::optional<toml::table> table{};
};

namespace {

/// Which certificate each table of a document belongs to, by the line it begins in; "" is none. What stands
/// between two such lines belongs to the first.
using Owners = std::map<std::uint32_t, std::string_view>;

void note_tables(const toml::node& node, std::string_view owner, Owners& owners) {
    if (const toml::array* list = node.as_array()) {
        for (const toml::node& item : *list) note_tables(item, owner, owners);
    }
    const toml::table* table = node.as_table();
    if (table == nullptr || table->is_inline()) return;
    std::string_view& noted = owners[table->source().begin.line];
    if (!owner.empty()) noted = owner;
    for (const auto& [key, value] : *table) note_tables(value, owner, owners);
}

Owners owners_in(const toml::table& document) {
    Owners owners;
    for (const auto& [key, value] : document) {
        const toml::table* certificates = key.str() == "certificate" ? value.as_table() : nullptr;
        if (certificates == nullptr) {
            note_tables(value, "", owners);
            continue;
        }
        for (const auto& [name, table] : *certificates) note_tables(table, name.str(), owners);
    }
    return owners;
}

/// Where each line of a text begins, and where it ends.
std::vector<std::uint32_t> line_starts(std::string_view text) {
    std::vector<std::uint32_t> starts{0};
    for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1))
        starts.push_back(static_cast<std::uint32_t>(at + 1));
    starts.push_back(static_cast<std::uint32_t>(text.size()));
    return starts;
}

using Places = std::map<std::string_view, std::vector<Slice>>;

/// The pieces of a text that belong to each certificate in it.
Places places_in(const toml::table& document, std::string_view text) {
    const std::vector<std::uint32_t> starts = line_starts(text);
    const auto begins_with_header = [&](const Slice& slice) {
        const std::string_view piece = text.substr(slice.begin, slice.size);
        const std::size_t first = piece.find_first_not_of(" \t");
        return first != std::string_view::npos && piece[first] == '[';
    };
    const auto start_of = [&](std::uint32_t line) {
        return starts[std::min<std::size_t>(line - 1, starts.size() - 1)];
    };
    Places places;
    const Owners owners = owners_in(document);
    for (auto place = owners.begin(); place != owners.end();) {
        const auto [line, owner] = *place;
        while (place != owners.end() && place->second == owner) ++place;
        const std::uint32_t begin = start_of(line);
        const auto end =
            place == owners.end() ? static_cast<std::uint32_t>(text.size()) : start_of(place->first);
        if (!owner.empty()) places[owner].push_back({.begin = begin, .size = end - begin, .line = line});
    }
    // A certificate without headers of its own is read with all that is around it.
    const std::vector<Slice> whole{{.begin = 0, .size = static_cast<std::uint32_t>(text.size()), .line = 1}};
    const toml::table* certificates = document["certificate"].as_table();
    if (certificates == nullptr) return places;
    for (const auto& [name, table] : *certificates) {
        std::vector<Slice>& slices = places[name.str()];
        if (slices.empty() || !std::ranges::all_of(slices, begins_with_header)) slices = whole;
    }
    return places;
}

bool has_ground(const toml::table& document) {
    return std::ranges::any_of(document,
                               [](const auto& entry) { return entry.first.str() != "certificate"; });
}

/// As far as the lines tell: no table but of certificates, and nothing before the first one. What looks like
/// something else, such as a list over several lines, is rather taken for it.
bool seems_certificates_only(std::string_view text) {
    bool is_within = false;
    while (!text.empty()) {
        const std::string_view line = base::trimmed(base::take_until(text, '\n'), " \t\r");
        if (line.empty() || line.front() == '#') continue;
        if (line.front() != '[' && is_within) continue;
        if (!line.starts_with("[certificate.") && !line.starts_with("[[certificate.")) return false;
        is_within = true;
    }
    return true;
}

/// The files that are read before the certificates in all others: they may have what those refer to.
std::vector<std::uint32_t> files_to_keep(const ConfigFiles& files) {
    std::vector<std::uint32_t> kept;
    for (std::uint32_t i = 0; i < files.texts.size(); ++i) {
        if (!seems_certificates_only(files.texts[i].text)) kept.push_back(i);
    }
    return kept;
}

}  // namespace

Catalogue::Catalogue(std::shared_ptr<const ConfigFiles> files)
    : files_(std::move(files)), defaults_(std::make_unique<Defaults>()) {}

Catalogue::Catalogue(Catalogue&&) noexcept = default;
Catalogue& Catalogue::operator=(Catalogue&&) noexcept = default;
Catalogue::~Catalogue() = default;

tl::expected<Catalogue, std::vector<base::Error>> Catalogue::read(std::shared_ptr<const ConfigFiles> files,
                                                                  const Fingerprint& fingerprint) {
    auto catalogue = read_all(std::move(files), fingerprint);
    if (catalogue) catalogue->set_down_anew();  // when all that was needed for reading is gone
    return catalogue;
}

tl::expected<Catalogue, std::vector<base::Error>> Catalogue::read_all(
    std::shared_ptr<const ConfigFiles> files, const Fingerprint& fingerprint) {
    // The tables of a large configuration are ten times its size: beside the files that others may refer to,
    // one is held at a time.
    const std::vector<std::uint32_t> kept = files_to_keep(*files);
    Reading reading(*files, kept);
    Catalogue catalogue(std::move(files));
    if (reading.problems().empty()) reading.read_ground(catalogue.ground_);
    const bool is_sound = reading.problems().empty();
    CertificateReader certificates(reading.tables().defaults, catalogue.ground_, reading.problems());
    const auto list_certificates = [&](std::uint32_t file, const toml::table& document) {
        for (auto& [name, slices] : places_in(document, catalogue.files_->texts[file].text)) {
            const auto table = reading.tables().certificate.find(std::string(name));
            if (table == reading.tables().certificate.end()) continue;  // a problem that is known
            const CertificateConfig certificate = certificates.read(table->first, *table->second);
            if (!reading.problems().empty()) continue;
            catalogue.list_.certificates.push_back(
                {.name = certificate.name,
                 .fingerprint = fingerprint(catalogue.ground_, certificate),
                 .file = file,
                 .slices = std::move(slices)});
        }
    };
    for (std::size_t i = 0; is_sound && i < kept.size(); ++i) {
        const toml::table& document = reading.documents()[i];
        if (has_ground(document)) catalogue.list_.ground.push_back(kept[i]);
        list_certificates(kept[i], document);
    }
    for (std::uint32_t file = 0; file < catalogue.files_->texts.size(); ++file) {
        if (std::ranges::binary_search(kept, file)) continue;
        const toml::table* document = reading.take_next(catalogue.files_->texts[file]);
        if (document != nullptr && is_sound) list_certificates(file, *document);
    }
    if (!reading.problems().empty()) return tl::make_unexpected(std::move(reading.problems()).take());
    if (reading.tables().defaults != nullptr) catalogue.defaults_->table = *reading.tables().defaults;
    std::ranges::sort(catalogue.list_.certificates, {}, &Listed::name);
    return catalogue;
}

/// The list was made between millions of short-lived tables, and keeps every page of theirs in which one of
/// its entries lies. Written and read again it lies close together.
void Catalogue::set_down_anew() {
    const std::string text = to_text(list_, *files_);
    if (!parse_catalogue(text, *files_)) return;
    list_ = {};
    (void)::malloc_trim(0);
    if (auto list = parse_catalogue(text, *files_)) list_ = std::move(*list);
}

tl::expected<Catalogue, std::vector<base::Error>> Catalogue::recall(std::shared_ptr<const ConfigFiles> files,
                                                                    CatalogueList list) {
    Reading reading(*files, list.ground);
    Catalogue catalogue(std::move(files));
    if (reading.problems().empty()) reading.read_ground(catalogue.ground_);
    if (!reading.problems().empty()) return tl::make_unexpected(std::move(reading.problems()).take());
    if (reading.tables().defaults != nullptr) catalogue.defaults_->table = *reading.tables().defaults;
    catalogue.list_ = std::move(list);
    return catalogue;
}

const Listed* Catalogue::find(std::string_view name) const {
    const auto place = std::ranges::lower_bound(
        list_.certificates, name, {}, [](const Listed& listed) { return std::string_view(listed.name); });
    return place != list_.certificates.end() && place->name == name ? &*place : nullptr;
}

Result<CertificateConfig> Catalogue::certificate(std::string_view name) const {
    const Listed* listed = find(name);
    if (listed == nullptr)
        return base::fail(Code::UsageWrong, "there is no certificate \"" + std::string(name) + "\"");
    const ConfigText& file = files_->texts.at(listed->file);
    ConfigFiles piece{.main = files_->main, .texts = {{.path = file.path}}};
    std::string& text = piece.texts.front().text;
    std::uint32_t line = 1;
    for (const Slice& slice : listed->slices) {
        // Messages name the line it has in the file.
        text.append(std::max(slice.line, line) - line, '\n');
        const std::string_view lines = std::string_view(file.text).substr(slice.begin, slice.size);
        text += lines;
        line = slice.line + static_cast<std::uint32_t>(std::ranges::count(lines, '\n'));
    }
    Reading reading(piece);
    const auto own = reading.tables().certificate.find(std::string(name));
    if (!reading.problems().empty() || own == reading.tables().certificate.end()) {
        return base::fail(Code::InternalUnexpected,
                          "certificate \"" + std::string(name) + "\" is not found in " + file.path);
    }
    CertificateReader reader(defaults_->table ? &*defaults_->table : nullptr, ground_, reading.problems());
    CertificateConfig certificate = reader.read(own->first, *own->second);
    if (!reading.problems().empty()) return tl::make_unexpected(as_one(std::move(reading.problems()).take()));
    return certificate;
}

}  // namespace agent
