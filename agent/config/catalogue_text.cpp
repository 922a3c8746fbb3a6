// SPDX-License-Identifier: Apache-2.0
// The list of a catalogue as a file: so that a start with unchanged files need not read all of them again.
#include <charconv>

#include "agent/config/catalogue.hpp"
#include "base/encoding.hpp"

namespace agent {

namespace {

constexpr std::string_view kFirstLine = "renewd catalogue 1 of " RENEWD_VERSION "\n";
constexpr std::string_view kLastLine = "sha256 ";

/// Of paths and texts; what lies between them cannot be taken for either.
std::string digest_of(const ConfigFiles& files) {
    std::string all = files.main;
    for (const ConfigText& file : files.texts) {
        all += '\0' + file.path + '\0' + std::to_string(file.text.size()) + '\0';
        all += base::sha256_hex(file.text);
    }
    return base::sha256_hex(all);
}

std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view taken = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return taken;
}

/// Numbers between spaces; once something is none, it stays broken.
class Numbers {
  public:
    explicit Numbers(std::string_view line) : rest_(line) {}

    template <class Number>
    void take(Number& number) {
        const std::string_view word = take_until(rest_, ' ');
        const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), number);
        is_good_ = is_good_ && status == std::errc{} && end == word.data() + word.size();
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
    const std::string digest = base::sha256_hex(text);
    return text.append(kLastLine).append(digest).append("\n");
}

std::optional<CatalogueList> parse_catalogue(std::string_view text, const ConfigFiles& files) {
    const std::size_t end = text.rfind(kLastLine);
    if (!text.starts_with(kFirstLine) || end == std::string_view::npos) return std::nullopt;
    std::string_view rest = text.substr(0, end);
    if (text.substr(end + kLastLine.size()) != base::sha256_hex(rest) + "\n") return std::nullopt;
    rest.remove_prefix(kFirstLine.size());
    if (take_until(rest, '\n') != digest_of(files)) return std::nullopt;
    CatalogueList list;
    for (Numbers numbers(take_until(rest, '\n')); numbers.has_more();) {
        std::uint32_t& file = list.ground.emplace_back();
        numbers.take(file);
        if (!numbers.is_good() || file >= files.texts.size()) return std::nullopt;
    }
    while (!rest.empty()) {
        std::string_view line = take_until(rest, '\n');
        Listed& listed = list.certificates.emplace_back();
        listed.name = take_until(line, ' ');
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
