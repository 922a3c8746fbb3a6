// SPDX-License-Identifier: Apache-2.0
// Short strings live inside std::string itself, and a move copies them and leaves the bytes behind: every way
// out of a Secret therefore wipes the whole buffer, not only the characters that count.
#include "base/secret.hpp"

#include <utility>

#include <openssl/crypto.h>

namespace base {

namespace {

void cleanse(std::string& text) noexcept {
    text.resize(text.capacity());  // never allocates: it is the room that is there
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

}  // namespace

Secret::Secret(std::string text) : text_(text) {
    cleanse(text);
}

Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) {
    other.wipe();
}

Secret& Secret::operator=(const Secret& other) {
    if (this != &other) {
        wipe();
        text_ = other.text_;
    }
    return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        text_ = std::move(other.text_);
        other.wipe();
    }
    return *this;
}

Secret::~Secret() {
    wipe();
}

void Secret::wipe() noexcept {
    cleanse(text_);
}

}  // namespace base
