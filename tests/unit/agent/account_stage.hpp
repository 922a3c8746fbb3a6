// SPDX-License-Identifier: Apache-2.0
// Accounts against the CA in memory and a store on a real file system; a run of renewd is short, what it
// leaves is not.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "acme/account_key.hpp"
#include "agent/memory/file_store.hpp"
#include "agent/work/accounts.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace tests {

inline agent::CaConfig ca_config(std::vector<std::string> contact = {"ops@example.com"}) {
    return {.name = "fake",
            .directory = fakes::kOrigin + "/dir",
            .contact = std::move(contact),
            .agree_tos = true};
}

/// A CA and a state directory that outlive the runs of renewd.
struct Stage {
    fakes::Ca ca{};
    fakes::Clock clock{};
    tests::TemporaryDirectory directory{};
    std::ostringstream said{};

    [[nodiscard]] std::string place() const {
        for (const auto& entry : std::filesystem::directory_iterator(directory / "state/accounts"))
            return entry.path();
        return {};
    }

    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(place() + "/" + name);
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

/// One run of renewd.
class Run {
  public:
    explicit Run(Stage& stage) : Run(stage, nullptr) {}

    Run(Stage& stage, base::Files* files)
        : store_(agent::FileStore::open_read_only(files != nullptr ? *files : system_,
                                                  stage.directory / "state")),
          log_("test", std::make_shared<spdlog::sinks::ostream_sink_st>(stage.said)),
          session_({.name = "fake", .directory = fakes::kOrigin + "/dir"}, stage.ca, stage.clock),
          accounts_(*store_, stage.clock, log_,
                    [this](const agent::CaConfig&) -> acme::Session& { return session_; }) {}

    agent::Accounts* operator->() { return &accounts_; }

    [[nodiscard]] acme::Session& session() { return session_; }

    [[nodiscard]] agent::FileStore& store() { return *store_; }

  private:
    base::SystemFiles system_;
    std::unique_ptr<agent::FileStore> store_;
    spdlog::logger log_;
    acme::Session session_;
    agent::Accounts accounts_;
};

inline fakes::Ca::Before answer_at(const std::string& where, const fakes::Ca::Answer& answer) {
    return [=](const std::string& path, int) -> std::optional<fakes::Ca::Answer> {
        if (path == where) return answer;
        return std::nullopt;
    };
}

inline bool knows(Stage& stage, const acme::Account& account) {
    Run run(stage);
    return acme::has_key(run.session(), account).value();
}

}  // namespace tests
