// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/generation_files.hpp"

#include <utility>

#include "agent/memory/record.hpp"
#include "agent/memory/state_files.hpp"
#include "base/certificate.hpp"
#include "base/identifier.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

/// A generation from its files; what is wrong with them is state/corrupt, or that they cannot be read.
class GenerationReader {
  public:
    GenerationReader(base::Files& files, std::string directory)
        : files_(files), directory_(std::move(directory)) {}

    Result<deployers::Generation> read(const std::string& certificate, int number) {
        const auto meta = parse_generation(TRY(text("/meta.json")));
        if (!meta) return tl::make_unexpected(base::Error(meta.error()).within(directory_ + "/meta.json"));
        deployers::Generation generation{.certificate = certificate, .number = number};
        for (const std::string& name : meta->ordered_for.names)
            generation.names.push_back(TRY(base::parse_identifier(name)));
        auto chain = base::parse_chain(TRY(text("/fullchain.pem")));
        if (!chain) return corrupt("/fullchain.pem is no chain: " + chain.error().message);
        generation.chain = std::move(*chain);
        if (generation.chain.front().sha256() != meta->sha256)
            return corrupt("/fullchain.pem is not the certificate that was issued");
        generation.request_key = meta->ordered_for.request_key;
        if (generation.has_key()) generation.key_pem = base::Secret(TRY(text("/privkey.pem")));
        return generation;
    }

  private:
    [[nodiscard]] base::Failure corrupt(const std::string& what) const {
        return base::fail(Code::StateCorrupt, directory_ + what);
    }

    Result<std::string> text(const char* file) {
        auto found = TRY(as_state(read_if_there(files_, directory_ + file, kPemFileMax)));
        if (!found) return corrupt(std::string(file) + " is missing");
        return std::move(*found);
    }

    base::Files& files_;
    std::string directory_;
};

}  // namespace

Result<deployers::Generation> read_generation_files(base::Files& files, const std::string& directory,
                                                    const std::string& certificate, int number) {
    return GenerationReader(files, directory).read(certificate, number);
}

}  // namespace agent
