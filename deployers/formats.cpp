// SPDX-License-Identifier: Apache-2.0
// The PEM forms, put together from the chain and the key as they are held.
#include "deployers/formats.hpp"

#include <string>
#include <string_view>

#include "base/text.hpp"

namespace deployers {

namespace {

/// The lines of a PEM text without blank ones and carriage returns, the last one ended.
std::string without_blank_lines(std::string_view pem) {
    std::string clean;
    clean.reserve(pem.size() + 1);
    while (!pem.empty()) {
        std::string_view line = base::take_until(pem, '\n');
        while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
        if (!line.empty()) clean.append(line).append("\n");
    }
    return clean;
}

std::string issuers_of(const Generation& generation) {
    if (generation.chain.size() < 2) return {};
    return base::to_pem(base::Chain(generation.chain.begin() + 1, generation.chain.end()));
}

std::string leaf_of(const Generation& generation) {
    return generation.chain.empty() ? std::string() : generation.chain.front().pem();
}

}  // namespace

bool holds_key(Form form) {
    return form == Form::Key || form == Form::Combined;
}

base::Secret render(Form form, const Generation& generation, bool key_first) {
    switch (form) {
        case Form::Fullchain:
            return base::Secret(without_blank_lines(base::to_pem(generation.chain)));
        case Form::Key:
            return base::Secret(without_blank_lines(generation.key_pem.reveal()));
        case Form::Chain:
            return base::Secret(without_blank_lines(issuers_of(generation)));
        case Form::Cert:
            return base::Secret(without_blank_lines(leaf_of(generation)));
        case Form::Combined:
            break;
    }
    const std::string key = without_blank_lines(generation.key_pem.reveal());
    const std::string fullchain = without_blank_lines(base::to_pem(generation.chain));
    return base::Secret(key_first ? key + fullchain : fullchain + key);
}

}  // namespace deployers
