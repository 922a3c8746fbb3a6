// SPDX-License-Identifier: Apache-2.0
// doctest prints enums as numbers unless it finds this beside them.
#pragma once

#include <doctest/doctest.h>

#include "deployers/probe/verdict.hpp"

namespace deployers {

inline doctest::String toString(Verdict verdict) {
    return {to_string(verdict).data()};
}

}  // namespace deployers
