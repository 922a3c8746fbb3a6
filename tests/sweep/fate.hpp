// SPDX-License-Identifier: Apache-2.0
// One counter for every outward call of a process: files, HTTP, programs, sockets. At the chosen number the
// fault comes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/sweep/disk.hpp"

namespace sweep {

enum class Kind {
    Kill,        // the process is gone, a write after half of its bytes
    NoSpace,     // the disk is full from there on: what is freed can be used again, nothing else
    Io,          // this one call fails: EIO, no answer, a program that does not start
    PowerLost,   // as Kill, and whatever was not synced is gone, names included
    PowerTorn,   // as Kill, names are all there, what was not synced is there by half
    PowerMixed,  // as Kill, and of what was not synced some is there, some by half, some not
};

[[nodiscard]] std::string_view to_string(Kind kind);

/// What a struck process leaves for its parent; shared memory.
struct Trace {
    std::atomic<std::size_t> calls{0};
    std::atomic<bool> struck{false};
    std::array<char, 400> what{};
};

struct Plan {
    Kind kind = Kind::Kill;
    std::size_t at = 0;  // counted from 1; 0: never
    std::uint64_t seed = 0;
    std::string graveyard{};  // a directory of the same file system, for what may have to come back
};

/// What is to become of a call.
enum class Verdict { GoOn, Fail };

class Fate {
  public:
    Fate(Plan plan, Trace& trace);

    /// Before a call. Does not return where it is the last of the process. `half` is run first then: what a
    /// killed call has done by then.
    template <class Half>
    Verdict call(std::string_view what, bool allocates, Half half) {
        if (plan_.kind == Kind::NoSpace && !allocates) return Verdict::GoOn;
        const std::size_t number = ++trace_.calls;
        if (number != plan_.at) return Verdict::GoOn;
        note(what);
        if (plan_.kind == Kind::NoSpace) disk_.fill_up();
        if (plan_.kind == Kind::NoSpace) return Verdict::GoOn;  // the full disk itself says no
        if (plan_.kind == Kind::Io) return Verdict::Fail;
        half();
        end();
    }

    Verdict call(std::string_view what, bool allocates) {
        return call(what, allocates, [] {});
    }

    [[nodiscard]] Disk& disk() { return disk_; }

  private:
    void note(std::string_view what);
    [[noreturn]] void end();

    Plan plan_;
    Trace& trace_;
    Disk disk_;
};

}  // namespace sweep
