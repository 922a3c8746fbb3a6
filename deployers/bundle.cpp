// SPDX-License-Identifier: Apache-2.0
// The serialised form of an installation, exactly as docs/installation.md has it. Its reader on the other
// side of an SSH connection is a shell script, hence its shape: one value a line, counts before lists, the
// files' bytes last.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "deployers/installation.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

constexpr std::string_view kFirstLine = "renewd-bundle 1";

std::string octal(int mode) {
    std::string text(4, '0');
    for (std::size_t i = 0; i < 4; ++i) text[3 - i] = static_cast<char>('0' + ((mode >> (3 * i)) & 7));
    return text;
}

void put(std::string& bundle, std::string_view key, std::string_view value) {
    bundle.append(key).append(" ").append(value).append("\n");
}

void put_list(std::string& bundle, std::string_view key, const std::vector<std::string>& lines) {
    put(bundle, key, std::to_string(lines.size()));
    for (const std::string& line : lines) bundle.append(line).append("\n");
}

void put_files(std::string& bundle, std::string_view key, const std::vector<FilePlan>& files) {
    put(bundle, key, std::to_string(files.size()));
    for (const FilePlan& file : files) {
        const std::string& content = file.content.reveal();
        bundle += base::sha256_hex(content) + " " + std::to_string(content.size()) + " " + octal(file.mode) +
                  " " + file.owner + " " + file.group + " " + file.path + "\n";
    }
}

/// Reads a bundle from its front. The first thing that is not as it should be ends it: every later answer is
/// empty.
class Reader {
  public:
    explicit Reader(std::string_view bundle) : rest_(bundle) {}

    [[nodiscard]] bool good() const { return good_; }

    void give_up() { good_ = false; }

    std::string_view line() {
        const std::size_t end = good_ ? rest_.find('\n') : std::string_view::npos;
        if (end == std::string_view::npos) {
            good_ = false;
            return {};
        }
        const std::string_view text = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return text;
    }

    /// What follows "key " on the next line.
    std::string_view value(std::string_view key) {
        const std::string_view text = line();
        if (text.starts_with(key) && text.substr(key.size()).starts_with(' '))
            return text.substr(key.size() + 1);
        good_ = false;
        return {};
    }

    std::size_t number(std::string_view text, std::size_t most, int radix = 10) {
        const auto value = base::parse_number<std::size_t>(text, radix);
        good_ = good_ && value && *value <= most;
        return good_ ? *value : 0;
    }

    std::vector<std::string> list(std::string_view key, std::size_t most) {
        std::vector<std::string> lines(number(value(key), most));
        for (std::string& text : lines) text = line();
        return lines;
    }

    std::string_view bytes(std::size_t size) {
        if (size > rest_.size()) good_ = false;
        if (!good_) return {};
        const std::string_view text = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return text;
    }

    [[nodiscard]] bool at_end() const { return rest_.empty(); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

/// A file as its line announces it; the bytes come after all lines.
struct Announced {
    FilePlan plan{};
    std::string sha256{};
    std::size_t size = 0;
};

/// Takes the next word of a line, up to a space.
std::string_view word(std::string_view& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return taken;
}

std::vector<Announced> read_files(Reader& reader, std::string_view key) {
    std::vector<Announced> files(reader.number(reader.value(key), kListMax));
    for (Announced& file : files) {
        std::string_view text = reader.line();
        file.sha256 = word(text);
        file.size = reader.number(word(text), kFileMax);
        const std::string_view mode = word(text);
        if (mode.size() != 4) reader.give_up();
        file.plan.mode = static_cast<int>(reader.number(mode, 0777, 8));
        file.plan.owner = word(text);
        file.plan.group = word(text);
        file.plan.path = text;
    }
    return files;
}

std::vector<std::vector<FileDigest>> read_known(Reader& reader) {
    std::vector<std::vector<FileDigest>> known(reader.number(reader.value("known"), kListMax));
    for (auto& set : known) {
        set.resize(reader.number(reader.value("set"), kListMax));
        for (FileDigest& digest : set) {
            std::string_view text = reader.line();
            digest.sha256 = word(text);
            digest.path = text;
        }
    }
    return known;
}

/// The bytes of the files; false where they are not the ones announced.
bool read_contents(Reader& reader, std::vector<Announced>& announced, std::vector<FilePlan>& files) {
    for (Announced& file : announced) {
        const std::string_view content = reader.bytes(file.size);
        if (!reader.good() || base::sha256_hex(content) != file.sha256) return false;
        file.plan.content = base::Secret(std::string(content));
        files.push_back(std::move(file.plan));
    }
    return true;
}

base::Seconds read_seconds(Reader& reader, std::string_view key) {
    return base::Seconds(static_cast<std::int64_t>(
        reader.number(reader.value(key), static_cast<std::size_t>(kDeadlineMax.count()))));
}

}  // namespace

base::Secret to_bundle(const Installation& installation) {
    std::string bundle = std::string(kFirstLine) + "\n";
    put(bundle, "id", installation.id);
    put(bundle, "deadline", std::to_string(installation.deadline.count()));
    put(bundle, "command-deadline", std::to_string(installation.command_deadline.count()));
    put_list(bundle, "test", installation.test);
    put_list(bundle, "reload", installation.reload);
    put_list(bundle, "restart", installation.restart);
    put(bundle, "versions", installation.versions);
    put_list(bundle, "kept", installation.versions_kept);
    put(bundle, "known", std::to_string(installation.known.size()));
    for (const auto& set : installation.known) {
        put(bundle, "set", std::to_string(set.size()));
        for (const FileDigest& digest : set) bundle += digest.sha256 + " " + digest.path + "\n";
    }
    put_files(bundle, "staged", installation.staged);
    put_files(bundle, "published", installation.published);
    std::size_t bytes = 0;
    for (const auto* files : {&installation.staged, &installation.published}) {
        for (const FilePlan& file : *files) bytes += file.content.reveal().size();
    }
    put(bundle, "bytes", std::to_string(bytes));
    bundle.reserve(bundle.size() + bytes);  // or growing would leave copies of the key behind
    for (const auto* files : {&installation.staged, &installation.published}) {
        for (const FilePlan& file : *files) bundle += file.content.reveal();
    }
    return base::Secret(std::move(bundle));
}

base::Result<Installation> parse_bundle(std::string_view bundle) {
    const auto damaged = [] {
        return base::fail(base::Code::HostProtocol, "the bundle is damaged or not one of ours");
    };
    if (bundle.size() > kBundleMax) return damaged();
    Reader reader(bundle);
    if (reader.line() != kFirstLine) return damaged();
    Installation installation;
    installation.id = reader.value("id");
    installation.deadline = read_seconds(reader, "deadline");
    installation.command_deadline = read_seconds(reader, "command-deadline");
    installation.test = reader.list("test", kArgumentsMax);
    installation.reload = reader.list("reload", kArgumentsMax);
    installation.restart = reader.list("restart", kArgumentsMax);
    installation.versions = reader.value("versions");
    installation.versions_kept = reader.list("kept", kListMax);
    installation.known = read_known(reader);
    std::vector<Announced> staged = read_files(reader, "staged");
    std::vector<Announced> published = read_files(reader, "published");
    const std::size_t bytes = reader.number(reader.value("bytes"), kBundleMax);
    if (!reader.good()) return damaged();
    std::size_t announced = 0;
    for (const auto* files : {&staged, &published}) {
        for (const Announced& file : *files) announced += file.size;
    }
    if (announced != bytes || !read_contents(reader, staged, installation.staged) ||
        !read_contents(reader, published, installation.published) || !reader.at_end()) {
        return damaged();
    }
    TRY(check(installation));
    return installation;
}

}  // namespace deployers
