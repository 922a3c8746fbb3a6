// SPDX-License-Identifier: Apache-2.0
// Fixed paths and include files as installations.
#include "deployers/services/layouts.hpp"

#include <utility>

#include "deployers/formats.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr int kForOthers = 0007;

/// What both layouts have in common.
Installation begin(const Generation& generation, const Parameters& parameters) {
    return {.id = generation.certificate + "/" + parameters.target,
            .test = parameters.test,
            .reload = parameters.reload,
            .restart = parameters.restart};
}

base::Result<void> check_key_mode(const std::string& path, int mode) {
    if ((mode & kForOthers) == 0) return {};
    return base::fail(Code::ConfigWrongValue,
                      path + " holds the private key, and its mode lets every user of the host at it",
                      "take the last digit of the mode away (\"0640\" with the group of the service), or set "
                      "cert_mode where "
                      "the certificates alone were meant");
}

/// A generation for a request of the user's own has no private key to give away.
base::Result<void> check_has_key(const Generation& generation, const Parameters& parameters) {
    const std::string_view form = key_with_private_key(parameters);
    if (generation.has_key() || form.empty()) return {};
    return base::fail(Code::ConfigWrongValue,
                      "target " + parameters.target + ": \"" + std::string(form) +
                          "\" would hold the private key, and generation " +
                          std::to_string(generation.number) +
                          " has none: it was issued for a request of the user's own",
                      "set fixed paths without a key: fullchain, or cert and chain");
}

std::vector<FilePlan> fixed_files(const Generation& generation, const Parameters& parameters) {
    std::vector<FilePlan> files;
    for (const FixedPath& fixed : parameters.paths) {
        const int usual = holds_key(fixed.form) ? parameters.mode : parameters.cert_mode;
        files.push_back({.path = fixed.path,
                         .content = render(fixed.form, generation, fixed.key_first),
                         .owner = fixed.owner.value_or(parameters.owner),
                         .group = fixed.group.value_or(parameters.group),
                         .mode = fixed.mode.value_or(usual)});
    }
    return files;
}

std::vector<FileDigest> digests_of_files(std::vector<FilePlan> files) {
    return digests_of(Installation{.published = std::move(files)});
}

std::string version_directory(const Generation& generation, const Parameters& parameters) {
    return parameters.versions + "/" + version_name(generation);
}

/// The files of a generation that its include file names.
std::vector<FilePlan> version_files(const Generation& generation, const Parameters& parameters) {
    const std::string directory = version_directory(generation, parameters) + "/";
    return {{.path = directory + "fullchain.pem",
             .content = render(Form::Fullchain, generation),
             .owner = parameters.owner,
             .group = parameters.group,
             .mode = parameters.cert_mode},
            {.path = directory + "privkey.pem",
             .content = render(Form::Key, generation),
             .owner = parameters.owner,
             .group = parameters.group,
             .mode = parameters.mode}};
}

/// The include file of a generation, as it is published.
FilePlan include_file(const Generation& generation, const Parameters& parameters, const WriteInclude& write) {
    const std::string directory = version_directory(generation, parameters);
    return {
        .path = parameters.include,
        .content = base::Secret(write(generation, directory + "/fullchain.pem", directory + "/privkey.pem")),
        .owner = parameters.owner,
        .group = parameters.group,
        .mode = parameters.cert_mode};
}

}  // namespace

std::string version_name(const Generation& generation) {
    const std::string digest =
        generation.chain.empty() ? std::string(8, '0') : generation.chain.front().sha256();
    return std::to_string(generation.number) + "-" + digest.substr(0, 8);
}

base::Result<Installation> plan_fixed_paths(const Generation& generation,
                                            const std::vector<Generation>& earlier,
                                            const Parameters& parameters) {
    if (parameters.paths.empty()) {
        return base::fail(Code::ConfigWrongValue, "target " + parameters.target + " names no file to write",
                          "set fullchain and key, or combined");
    }
    TRY(check_has_key(generation, parameters));
    Installation installation = begin(generation, parameters);
    installation.published = fixed_files(generation, parameters);
    for (std::size_t i = 0; i < parameters.paths.size(); ++i) {
        if (!holds_key(parameters.paths[i].form)) continue;
        TRY(check_key_mode(installation.published[i].path, installation.published[i].mode));
    }
    for (const Generation& one : earlier) {
        // Where the user has put another key of his in place, the chain of the one before is no sound state
        // any more: that the service does not pass its test with it is mended by the new chain.
        if (one.request_key != generation.request_key) continue;
        installation.known.push_back(digests_of_files(fixed_files(one, parameters)));
    }
    TRY(check(installation));
    return installation;
}

base::Result<Installation> plan_include(const Generation& generation, const std::vector<Generation>& earlier,
                                        const Parameters& parameters, const WriteInclude& write) {
    if (parameters.include.empty() || parameters.versions.empty() || !parameters.paths.empty()) {
        return base::fail(
            Code::ConfigWrongValue,
            "target " + parameters.target + " needs include and versions, both, and then no fixed path");
    }
    TRY(check_has_key(generation, parameters));
    Installation installation = begin(generation, parameters);
    installation.staged = version_files(generation, parameters);
    TRY(check_key_mode(installation.staged.back().path, parameters.mode));
    installation.published = {include_file(generation, parameters, write)};
    installation.versions = parameters.versions;
    installation.versions_kept = {version_name(generation)};
    for (const Generation& one : earlier) {
        // An include file alone proves nothing: what it names may be gone, or damaged.
        std::vector<FilePlan> files = version_files(one, parameters);
        files.push_back(include_file(one, parameters, write));
        installation.known.push_back(digests_of_files(std::move(files)));
        installation.versions_kept.push_back(version_name(one));
    }
    TRY(check(installation));
    return installation;
}

}  // namespace deployers
