// SPDX-License-Identifier: Apache-2.0
// A CA that does not answer, while somebody waits and while nobody does.
#include "acme/contact.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using acme::Contact;
using fakes::code_of;

namespace {

/// Takes as long as it may, and never answers.
class Silence final : public base::Transport {
  public:
    explicit Silence(fakes::Clock& clock) : clock_(clock) {}

    base::Result<base::HttpResponse> exchange(const base::HttpRequest& request) override {
        ++asked;
        clock_.sleep(request.connect_deadline);
        return base::fail(base::Code::NetTimeout, "no answer");
    }

    int asked = 0;

  private:
    fakes::Clock& clock_;
};

}  // namespace

TEST_CASE("contact: nobody waits, and there is always time") {
    Contact contact(std::nullopt);
    CHECK_FALSE(contact.begin(base::Steady{}));
    CHECK(contact.has_time(base::Steady{} + 1000h, false));
}

TEST_CASE("contact: silence is counted from the first question on, and any answer ends it") {
    const auto at = [](base::Milliseconds passed) { return base::Steady{} + 1h + passed; };
    Contact contact(20s);
    CHECK((contact.begin(at(0s)) == 20s));
    CHECK((contact.begin(at(10s)) == 10s));
    CHECK(contact.has_time(at(18s), false));
    CHECK_FALSE(contact.has_time(at(19s + 1ms), false));
    CHECK_FALSE(contact.has_time(at(20s), false));
    CHECK((contact.begin(at(21s)) == 0s));  // given up: the next one is told at once
    CHECK((contact.begin(at(30s)) == 20s));
    contact.answered();
    CHECK((contact.begin(at(50s)) == acme::kSlowAnswerMax));  // it is there: it may be slow
    CHECK_FALSE(contact.has_time(at(70s), false));
}

TEST_CASE(
    "session: a CA that never answers is told within half a minute to somebody who waits, ca/unreachable") {
    fakes::Clock clock;
    Silence silence(clock);
    acme::Session patient({.name = "fake", .directory = fakes::kOrigin + "/dir"}, silence, clock);
    CHECK(code_of(patient.directory()) == "ca/unreachable");
    CHECK(clock.passed() > 30s);

    fakes::Clock other;
    Silence again(other);
    acme::Session session({.name = "fake", .directory = fakes::kOrigin + "/dir", .patience = 20s}, again,
                          other);
    CHECK(code_of(session.directory()) == "ca/unreachable");
    CHECK(other.passed() <= 21s);
    const int asked = again.asked;
    const auto next = session.directory();
    CHECK(code_of(next) == "ca/unreachable");
    CHECK(fakes::contains(fakes::message_of(next), "could not be reached just now"));
    CHECK(again.asked == asked);
}
