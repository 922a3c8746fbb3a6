// SPDX-License-Identifier: Apache-2.0
// The durable form of a ledger: a file beside the account. Each line says what one bucket is now and carries
// its own digest, so that adding is one write and one fsync, a torn or damaged line costs that line, and
// reading it twice changes nothing. Rewritten whole when most of it is out of date.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/plan/ledger.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

/// What a file's text says.
struct LedgerText {
    Ledger ledger{};
    std::size_t lines = 0;
    bool is_whole = true;   // false: some line is damaged, and what it said is lost
    bool is_newer = false;  // written by a later renewd: not to be touched
};

/// Pure.
[[nodiscard]] LedgerText parse_ledger(std::string_view text);
/// The whole ledger, as a file begins. Pure.
[[nodiscard]] std::string to_text(const Ledger& ledger);
/// Only what has changed. Pure.
[[nodiscard]] std::string to_lines(const Ledger& ledger, const Ledger::Changes& changes);

class LedgerFile {
  public:
    /// `place` is the account's directory. Everything is borrowed.
    LedgerFile(base::Files& files, std::string place) : files_(files), place_(std::move(place)) {}

    /// Nothing where there is no file. state/unwritable where it cannot be read.
    [[nodiscard]] base::Result<std::optional<LedgerText>> read();

    /// The size of the file, to know whether somebody has written since; nothing where there is none.
    [[nodiscard]] std::optional<std::uint64_t> size();

    /// The right to write, for as long as it is held; state/locked where somebody else has it.
    [[nodiscard]] base::Result<base::Lock> lock();

    /// Both durable when they return; under the lock. state/no-space, state/unwritable.
    [[nodiscard]] base::Result<void> append(const std::string& lines);
    [[nodiscard]] base::Result<void> replace(const std::string& text);

  private:
    base::Files& files_;
    std::string place_;
};

}  // namespace agent
