// SPDX-License-Identifier: Apache-2.0
#include "base/system_anchors.hpp"

#include <algorithm>
#include <string_view>

#include <curl/curl.h>

#include "base/file.hpp"

namespace base {

namespace {

constexpr std::size_t kAnchorsFileMax = 8UL << 20;

/// "002c0b4f.0", as `openssl rehash` makes them; one with an "r" is of a list of what was revoked.
bool is_hash(std::string_view name) {
    constexpr std::size_t kDigits = 8;
    constexpr std::string_view kDecimal = "0123456789";
    return name.size() > kDigits + 1 && name[kDigits] == '.' &&
           name.substr(0, kDigits).find_first_not_of("0123456789abcdef") == std::string_view::npos &&
           name.substr(kDigits + 1).find_first_not_of(kDecimal) == std::string_view::npos;
}

std::size_t count_certificates(std::string_view pem) {
    constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
    std::size_t count = 0;
    for (std::size_t at = pem.find(kBegin); at != std::string_view::npos; at = pem.find(kBegin, at + 1))
        ++count;
    return count;
}

std::string find_directory() {
    const curl_version_info_data* curl = curl_version_info(CURLVERSION_NOW);
    if (curl->cainfo == nullptr || curl->capath == nullptr) return {};
    return holds_all_anchors(curl->capath, curl->cainfo) ? curl->capath : "";
}

}  // namespace

bool holds_all_anchors(const std::string& directory, const std::string& file) {
    SystemFiles files;
    const auto all = read_file(files, file, kAnchorsFileMax);
    const auto names = files.list(directory);
    if (!all || !names) return false;
    const std::size_t wanted = count_certificates(*all);
    const auto found = static_cast<std::size_t>(std::ranges::count_if(*names, is_hash));
    return wanted > 0 && found >= wanted;
}

const std::string& anchors_by_hash() {
    static const std::string directory = find_directory();
    return directory;
}

}  // namespace base
