// SPDX-License-Identifier: Apache-2.0
// The list of a catalogue as a file: so that a start with unchanged files need not read all of them again.
#include "agent/config/catalogue.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace agent {

namespace {

constexpr std::string_view kFirstLine = "renewd catalogue 1 of " RENEWD_VERSION "\n";

/// Of paths and texts; what lies between them cannot be taken for either.
std::string digest_of(const ConfigFiles& files) {
    std::string all = files.main;
    for (const ConfigText& file : files.texts) {
        all += '\0' + file.path + '\0' + std::to_string(file.text.size()) + '\0';
        all += base::sha256_hex(file.text);
    }
    return base::sha256_hex(all);
}

/// Numbers between spaces; once something is none, it stays broken.
class Numbers {
  public:
    explicit Numbers(std::string_view line) : rest_(line) {}

    template <class Number>
    void take(Number& number) {
        const auto taken = base::parse_number<Number>(base::take_until(rest_, ' '));
        is_good_ = is_good_ && taken;
        number = taken.value_or(0);
    }

    [[nodiscard]] bool has_more() const { return is_good_ && !rest_.empty(); }

    [[nodiscard]] bool is_good() const { return is_good_; }

  private:
    std::string_view rest_;
    bool is_good_ = true;
};

bool lies_within(const Listed& listed, const ConfigFiles& files) {
    if (listed.file >= files.texts.size()) return false;
    const std::size_t size = files.texts[listed.file].text.size();
    for (const Slice& slice : listed.slices) {
        if (slice.begin > size || slice.size > size - slice.begin) return false;
    }
    return !listed.slices.empty();
}

}  // namespace

std::string to_text(const CatalogueList& list, const ConfigFiles& files) {
    std::string text(kFirstLine);
    text.reserve(list.certificates.size() * 80);
    text += digest_of(files) + "\n";
    for (const std::uint32_t file : list.ground) text += std::to_string(file) + " ";
    text += "\n";
    for (const Listed& one : list.certificates) {
        text += one.name + " " + std::to_string(one.fingerprint) + " " + std::to_string(one.file);
        for (const Slice& slice : one.slices) {
            for (const std::uint32_t number : {slice.begin, slice.size, slice.line}) {
                text += ' ';
                text += std::to_string(number);
            }
        }
        text += '\n';
    }
    return base::sealed(std::move(text));
}

std::optional<CatalogueList> parse_catalogue(std::string_view text, const ConfigFiles& files) {
    const auto content = base::unsealed(text);
    if (!content || !content->starts_with(kFirstLine)) return std::nullopt;
    std::string_view rest = content->substr(kFirstLine.size());
    if (base::take_until(rest, '\n') != digest_of(files)) return std::nullopt;
    CatalogueList list;
    for (Numbers numbers(base::take_until(rest, '\n')); numbers.has_more();) {
        std::uint32_t& file = list.ground.emplace_back();
        numbers.take(file);
        if (!numbers.is_good() || file >= files.texts.size()) return std::nullopt;
    }
    while (!rest.empty()) {
        std::string_view line = base::take_until(rest, '\n');
        Listed& listed = list.certificates.emplace_back();
        listed.name = base::take_until(line, ' ');
        Numbers numbers(line);
        numbers.take(listed.fingerprint);
        numbers.take(listed.file);
        while (numbers.has_more()) {
            Slice& slice = listed.slices.emplace_back();
            numbers.take(slice.begin);
            numbers.take(slice.size);
            numbers.take(slice.line);
        }
        if (!numbers.is_good() || !lies_within(listed, files)) return std::nullopt;
    }
    return list;
}

}  // namespace agent
