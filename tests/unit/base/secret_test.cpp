// SPDX-License-Identifier: Apache-2.0
#include "base/secret.hpp"

#include <array>
#include <memory>
#include <new>
#include <ostream>
#include <type_traits>

#include <doctest/doctest.h>

using base::Secret;

namespace {

constexpr std::string_view kShort = "hunter2hunter2";  // inside std::string itself
constexpr std::string_view kLong = "a secret that is on the heap and nowhere else";

/// The bytes a std::string has room for, also those that do not count any more.
std::string_view room_of(const Secret& secret) {
    return {secret.reveal().data(), secret.reveal().capacity()};  // NOLINT(clang-analyzer-cplusplus.Move)
}

bool holds(const std::array<char, sizeof(Secret)>& bytes, std::string_view text) {
    return std::string_view(bytes.data(), bytes.size()).find(text) != std::string_view::npos;
}

template <class T>
concept Printable = requires(std::ostream& stream, const T& value) { stream << value; };

template <class T>
concept Comparable = requires(const T& one, const T& other) { one == other; };

}  // namespace

TEST_CASE("secret: cannot be printed or compared by accident") {
    CHECK(!Printable<Secret>);
    CHECK(!Comparable<Secret>);
    CHECK(!std::is_convertible_v<Secret, std::string>);
    CHECK(!std::is_convertible_v<std::string, Secret>);
}

TEST_CASE("secret: copies and moves hold the text") {
    for (const std::string_view text : {kShort, kLong}) {
        CAPTURE(text);
        const Secret first{std::string(text)};
        Secret copy(first);
        CHECK(copy.reveal() == text);
        Secret moved(std::move(copy));
        CHECK(moved.reveal() == text);
        Secret assigned;
        CHECK(assigned.empty());
        assigned = moved;
        CHECK(assigned.reveal() == text);
        Secret move_assigned{std::string("something before")};
        move_assigned = std::move(moved);
        CHECK(move_assigned.reveal() == text);
        Secret& self = assigned;
        assigned = self;
        CHECK(assigned.reveal() == text);
        assigned = std::move(self);
        CHECK(assigned.reveal() == text);
    }
}

TEST_CASE("secret: what was moved from is empty and wiped") {
    for (const std::string_view text : {kShort, kLong}) {
        CAPTURE(text);
        Secret source{std::string(text)};
        const Secret target(std::move(source));
        CHECK(source.empty());  // NOLINT(bugprone-use-after-move)
        CHECK(room_of(source).find(text.substr(0, 4)) == std::string_view::npos);
        Secret second_source{std::string(text)};
        Secret second_target{std::string(kLong)};
        second_target = std::move(second_source);
        CHECK(second_source.empty());  // NOLINT(bugprone-use-after-move)
        CHECK(room_of(second_source).find(text.substr(0, 4)) == std::string_view::npos);
        CHECK(room_of(second_source).find(kLong.substr(0, 8)) == std::string_view::npos);
    }
}

TEST_CASE("secret: an assignment wipes what was there before") {
    Secret secret{std::string(kLong)};
    secret = Secret(std::string("new"));
    CHECK(room_of(secret).find("heap") == std::string_view::npos);
    Secret again{std::string(kLong)};
    const Secret small{std::string("new")};
    again = small;
    CHECK(again.reveal() == "new");
    CHECK(room_of(again).find("heap") == std::string_view::npos);
}

TEST_CASE("secret: its own bytes are wiped when it goes") {
    alignas(Secret) std::array<char, sizeof(Secret)> storage{};
    auto* const secret = new (storage.data()) Secret(std::string(kShort));
    REQUIRE(holds(storage, kShort));
    std::destroy_at(secret);
    CHECK(!holds(storage, kShort.substr(0, 4)));
}
