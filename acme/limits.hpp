// SPDX-License-Identifier: Apache-2.0
// How much we take from a CA, and how long we wait for it. A CA is untrusted input: every list, text and wait
// that comes from it is bounded here, each bound with its reason.
#pragma once

#include <cstddef>

#include "base/clock.hpp"

namespace acme {

// --- sizes
// -----------------------------------------------------------------------------------------------------
/// An answer's body. lego and mod_md take 1 MiB as well; an order of 2,000 names is about 400 KiB.
inline constexpr std::size_t kAnswerBytesMax = std::size_t{1024} * 1024;
/// An authorization's or a challenge's. All of an order are asked for at once; five challenges and what was
/// seen of each are a few KiB.
inline constexpr std::size_t kAuthorizationBytesMax = std::size_t{64} * 1024;
/// As many are held unread at once: an honest order of 100 names is one wave.
inline constexpr std::size_t kAuthorizationsAtOnce = 100;
/// A chain of ten certificates is about 20 KiB; GHSA-r4pg-vg54-wxx4 is what an unbounded PEM parser costs.
inline constexpr std::size_t kChainBytesMax = std::size_t{64} * 1024;
/// A URL a CA gives us (order, challenge, finalize…).
inline constexpr std::size_t kUrlBytesMax = 2048;
/// Nobody sends more than 64 characters. There is no least length: that a token has 128 bits (RFC 8555 §8.3)
/// keeps answers of before from being of use again, and servers from answering whatever is asked (§11.3).
/// That is the CA's own protection, a length does not prove it, and a CA with short tokens would be of no use
/// to us.
inline constexpr std::size_t kTokenBytesMax = 255;
/// A nonce: an opaque text that we send back in a header-sized place.
inline constexpr std::size_t kNonceBytesMax = 1024;
/// Identifiers and authorizations of one order, and subproblems of one problem: Pebble takes 2,000, Let's
/// Encrypt 100.
inline constexpr std::size_t kOrderNamesMax = 2500;
/// Authorizations that an order may want for each of its names: RFC 8555 §7.1.3 promises no one-to-one
/// relationship, but each is a request and a challenge.
inline constexpr std::size_t kAuthorizationsPerName = 8;
/// Challenges of one authorization: five types are known.
inline constexpr std::size_t kChallengesMax = 32;
/// Names of the CA in one dns-persist-01 challenge (acme-dns-persist §4).
inline constexpr std::size_t kIssuerDomainsMax = 10;
/// Contacts of an account.
inline constexpr std::size_t kContactsMax = 32;
/// Pages that are read of an account's list of orders, and orders that are looked at: one was placed moments
/// before its URL was lost, so that it stands at one end of the list or the other.
inline constexpr std::size_t kOrderPagesMax = 20;
inline constexpr std::size_t kOrdersLookedAt = 20;  // at each end
/// Profiles of one directory.
inline constexpr std::size_t kProfilesMax = 64;
/// Refused names that a message spells out; the others are counted.
inline constexpr std::size_t kNamesToldMax = 20;

// --- nonces (RFC 8555 §6.5)
// ------------------------------------------------------------------------------------
/// As many as one order of 100 names uses at once.
inline constexpr std::size_t kNoncesKept = 128;
inline constexpr base::Seconds kNonceAgeMax{300};
/// A CA that rejects nine of ten is survived (once in 500 requests it is not); one that rejects all is given
/// up on within kNoncePatience.
inline constexpr unsigned kNonceTries = 60;
inline constexpr base::Seconds kNoncePatience{20};

// --- while a person waits
// ----------------------------------------------------------------------------------------------------
/// That no CA answers is told after this; with what else has to be done that is well below 30 s.
inline constexpr base::Seconds kPatienceOfAPerson{20};
/// What the next CA gets where the first ones have used that up: one that is well answers within it.
inline constexpr base::Seconds kPatienceAtLeast{4};
/// One that has answered before may take so long for one answer.
inline constexpr base::Seconds kSlowAnswerMax{28};
/// Another try needs at least this.
inline constexpr base::Milliseconds kWorthATry{1'000};
/// Nothing is asked for so long of a CA that was given up on: other certificates are told at once.
inline constexpr base::Seconds kGivenUpFor{10};

// --- waiting
// ---------------------------------------------------------------------------------------------------
/// A directory is fetched again after this (acmez does the same).
inline constexpr base::Seconds kDirectoryAgeMax{12 * 3600};
/// Nothing is refused by an older one without asking again: certificates by the thousand share one answer.
inline constexpr base::Seconds kDirectoryYoung{60};
/// How often a request that changes nothing is sent again after a lost answer or a hiccup of the server.
inline constexpr unsigned kResends = 2;
/// A hiccup whose Retry-After is longer than this is not waited for by the request itself.
inline constexpr base::Seconds kResendWaitMax{5};
/// The first look reaches the CA this long after what we did: a fast CA has finished by then.
inline constexpr base::Milliseconds kFirstLook{25};
/// The first look where the CA has said, by Retry-After, that it needs its time: an even earlier one would
/// cost all of that time.
inline constexpr base::Milliseconds kFirstLookAsked{300};
/// The second look, which is as much later as the CA is slow to answer; the others are later and later.
inline constexpr base::Milliseconds kSecondLookMin{100};
inline constexpr base::Milliseconds kSecondLookMax{500};
inline constexpr base::Milliseconds kLaterLookMax{15'000};
/// What a Retry-After may make of a later look.
inline constexpr base::Seconds kLookWaitMin{1};
inline constexpr base::Seconds kLookWaitMax{60};
/// Looks that may fail in a row before the flow gives up.
inline constexpr unsigned kFailedLooksMax = 5;
/// A Retry-After of a century is a mistake of the CA's; a week is the longest limit anybody has.
inline constexpr base::Seconds kRetryAfterMax{7 * 24 * 3600};
/// Renewal information is asked for again within these (RFC 9773 §4.3.2); without Retry-After after six
/// hours.
inline constexpr base::Seconds kRenewalInfoWaitMin{60};
inline constexpr base::Seconds kRenewalInfoWaitMax{24 * 3600};
/// 2100-01-01: no certificate of today outlives it.
inline constexpr base::Instant kLastInstant{base::Seconds{4'102'444'800}};
/// Other chains a CA offers for one certificate.
inline constexpr std::size_t kAlternatesMax = 10;
/// How often one run asks to finalize: a lost answer or a lagging database may make it necessary again.
inline constexpr unsigned kFinalizeTries = 3;
/// How often a certificate that arrived damaged is fetched.
inline constexpr unsigned kDownloadTries = 3;
/// Authorizations worked on at once.
inline constexpr std::size_t kAtOnce = 8;

}  // namespace acme
