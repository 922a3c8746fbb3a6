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
    Contact contact(nullptr);
    CHECK_FALSE(contact.begin(base::Steady{}));
    CHECK(contact.has_time(base::Steady{} + 1000h, false));
}

TEST_CASE("contact: silence is counted from the first question on, and any answer ends it") {
    const auto at = [](base::Milliseconds passed) { return base::Steady{} + 1h + passed; };
    acme::Patience patience(20s);
    Contact contact(&patience);
    CHECK((contact.begin(at(0s)) == 20s));
    CHECK((contact.begin(at(10s)) == 10s));
    CHECK(contact.has_time(at(18s), false));
    CHECK_FALSE(contact.has_time(at(19s + 1ms), false));
    CHECK_FALSE(contact.has_time(at(20s), false));
    CHECK((contact.begin(at(21s)) == 0s));  // given up: the next one is told at once
    CHECK((contact.begin(at(30s)) == acme::kPatienceAtLeast));
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
    acme::Patience patience(20s);
    acme::Session session({.name = "fake", .directory = fakes::kOrigin + "/dir", .patience = &patience},
                          again, other);
    CHECK(code_of(session.directory()) == "ca/unreachable");
    CHECK(other.passed() <= 21s);
    const int asked = again.asked;
    const auto next = session.directory();
    CHECK(code_of(next) == "ca/unreachable");
    CHECK(fakes::contains(fakes::message_of(next), "could not be reached just now (no answer)"));
    CHECK(again.asked == asked);
}

TEST_CASE("session: several CAs that never answer are told within half a minute, all of them") {
    fakes::Clock clock;
    Silence silence(clock);
    acme::Patience patience(acme::kPatienceOfAPerson);
    for (const std::string name : {"first", "second", "third"}) {
        acme::Session session({.name = name, .directory = fakes::kOrigin + "/dir", .patience = &patience},
                              silence, clock);
        const int asked = silence.asked;
        CHECK(code_of(session.directory()) == "ca/unreachable");
        CHECK(silence.asked > asked);
    }
    CHECK(clock.passed() <= 30s);
}

TEST_CASE("patience: CAs that are silent at the same time use it up once") {
    const auto at = [](base::Milliseconds passed) { return base::Steady{} + 1h + passed; };
    acme::Patience patience(20s);
    patience.spend(at(0s), at(8s));
    patience.spend(at(2s), at(10s));
    patience.spend(at(3s), at(9s));
    CHECK((patience.left() == 10s));
    patience.spend(at(100s), at(107s));
    CHECK((patience.left() == acme::kPatienceAtLeast));
}
