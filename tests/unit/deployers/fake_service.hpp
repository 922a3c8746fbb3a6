// SPDX-License-Identifier: Apache-2.0
// A service that reads a certificate and a key, as three small scripts: its test wants a pair, its reload and
// restart write down what they saw. And the files of that service, as a test wants them to be.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "deployers/installation.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace tests {

inline std::string slurp(const std::string& path) {
    const std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();  // what ends while it is read, as a process in /proc may, is no exception here
    return text.str();
}

inline void spill(const std::string& path, const std::string& content, mode_t mode = 0644) {
    std::ofstream(path) << content;
    (void)::chmod(path.c_str(), mode);
}

/// "0640 0:33", or "nothing".
inline std::string attributes(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return "nothing";
    std::string mode(4, '0');
    for (unsigned i = 0; i < 4; ++i)
        mode[3 - i] = static_cast<char>('0' + ((status.st_mode >> (3 * i)) & 7U));
    return mode + " " + std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid);
}

class FakeService {
  public:
    FakeService() {
        std::filesystem::create_directory(tls());
        (void)::chmod(directory_.path().c_str(), 0755);
        script("test",
               "[ ! -e broken ] || { echo out of order >&2; exit 3; }\n"
               "[ ! -e slow ] || sleep 20\n"
               "[ -s tls/cert ] && [ -s tls/key ] || { echo cannot load the pair; exit 1; }\n"
               "[ \"$(cat tls/cert | tail -c 2)\" = \"$(cat tls/key | tail -c 2)\" ] || { echo \"key "
               "\\\"values\\\" mismatch\"; exit 1; }\n"
               "[ ! -e picky ] || ! grep -q \"$(cat picky)\" tls/cert || { echo not this one; exit 1; }\n"
               "echo test is successful\n");
        script("reload",
               "[ ! -e stubborn ] || { echo no; exit 7; }\n"
               "[ ! -e daemon ] || { (until [ -e go ]; do sleep 0.05; done; echo more; touch went_on) & echo "
               "begun; }\n");
        script("restart", "");
    }

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

    [[nodiscard]] std::string tls() const { return directory_ / "tls"; }

    [[nodiscard]] std::string cert() const { return directory_ / "tls/cert"; }

    [[nodiscard]] std::string key() const { return directory_ / "tls/key"; }

    [[nodiscard]] std::string log() const { return slurp(directory_ / "log"); }

    void forget_log() const { std::filesystem::remove(directory_ / "log"); }

    /// Makes it behave: "broken", "slow", "picky" (with the text it does not like), "stubborn",
    /// "daemon" (its reload leaves one running, which prints on once there is a file "go").
    void be(const std::string& what, const std::string& detail = "x") const {
        spill(directory_ / what, detail);
    }

    [[nodiscard]] bool is(const std::string& what) const {
        return std::filesystem::exists(directory_ / what);
    }

    void be_well() const {
        for (const char* what : {"broken", "slow", "picky", "stubborn", "daemon"})
            std::filesystem::remove(directory_ / what);
    }

    [[nodiscard]] std::vector<std::string> command(const std::string& name) const {
        return {directory_ / (name + ".sh")};
    }

    /// Certificate and key of a generation at their fixed paths; `known` are earlier generations.
    [[nodiscard]] deployers::Installation installation(const std::string& generation,
                                                       const std::vector<std::string>& known = {}) const {
        deployers::Installation plan{.id = "example.com/" + path(),
                                     .published = files_of(generation),
                                     .test = command("test"),
                                     .reload = command("reload"),
                                     .restart = command("restart"),
                                     .command_deadline = base::Seconds{5},
                                     .deadline = base::Seconds{40}};
        for (const std::string& one : known) {
            plan.known.push_back(deployers::digests_of({.published = files_of(one)}));
        }
        return plan;
    }

    /// Puts a generation there as if somebody had: certificate 0644, key 0640 of group 1.
    void hold(const std::string& certificate, const std::string& private_key) const {
        spill(cert(), "certificate " + certificate, 0644);
        spill(key(), "key " + private_key, 0640);
        (void)!::chown(key().c_str(), 0, 1);
    }

    void hold(const std::string& generation) const { hold(generation, generation); }

    /// All names below the directory of the files, sorted, hidden ones too.
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> found;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(tls())) {
            found.push_back(entry.path().lexically_relative(tls()).string());
        }
        std::ranges::sort(found);
        return found;
    }

  private:
    void script(const std::string& name, const std::string& body) const {
        spill(directory_ / (name + ".sh"),
              "#!/bin/sh\ncd " + path() + " || exit 9\necho " + name +
                  " $(cat tls/cert 2>/dev/null) >>log\n" + body,
              0755);
    }

    [[nodiscard]] std::vector<deployers::FilePlan> files_of(const std::string& generation) const {
        return {{.path = cert(), .content = base::Secret("certificate " + generation), .mode = 0644},
                {.path = key(), .content = base::Secret("key " + generation), .mode = 0600}};
    }

    TemporaryDirectory directory_;
};

}  // namespace tests
