// SPDX-License-Identifier: Apache-2.0
// toml++ itself, compiled here as its documentation says. The linker takes this and leaves the library, which
// would cost each start more than a configuration takes to read.
#define TOML_IMPLEMENTATION
#include <toml++/toml.h>
