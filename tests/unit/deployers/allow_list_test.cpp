// SPDX-License-Identifier: Apache-2.0
// The administrator's list: what its lines mean, and what they let through.
#include "deployers/hosts/allow_list.hpp"

#include <ostream>

#include <doctest/doctest.h>

namespace {

using deployers::AllowList;
using deployers::Installation;
using deployers::WriteRule;

constexpr const char* kFile = "/etc/renewd/allow";

AllowList parse(std::string_view text) {
    const auto list = deployers::parse_allow_list(text, kFile);
    if (!list) FAIL(list.error().message);
    return list.value();
}

/// Two fixed paths, as an nginx target has them.
Installation fixed() {
    return {.id = "example.com/web",
            .published = {{.path = "/etc/nginx/tls/a.crt", .mode = 0644}, {.path = "/etc/nginx/tls/a.key"}},
            .test = {"nginx", "-t"},
            .reload = {"systemctl", "reload", "nginx"}};
}

/// An include file and a directory of versions.
Installation with_include() {
    return {.id = "example.com/web",
            .staged = {{.path = "/etc/nginx/renewd/a.d/3-0123abcd/fullchain.pem", .mode = 0644},
                       {.path = "/etc/nginx/renewd/a.d/3-0123abcd/privkey.pem"}},
            .published = {{.path = "/etc/nginx/renewd/a.conf", .mode = 0644}},
            .versions = "/etc/nginx/renewd/a.d",
            .test = {"nginx", "-t"}};
}

/// Empty where it is permitted.
std::string hint(std::string_view list, const Installation& installation) {
    const auto judged = deployers::judge(parse(list), installation, kFile);
    if (judged) return {};
    CHECK(base::to_string(judged.error().code) == "deploy/not-allowed");
    return judged.error().hint;
}

}  // namespace

TEST_CASE("allow list: what its lines say") {
    const AllowList list = parse(
        "# for nginx\n"
        "\n"
        "  write /etc/nginx/renewd/  root:ssl-cert 0640  \n"
        "write\t/srv/a directory root:root 644\n"
        "run nginx -t\n"
        "run /usr/bin/systemctl   reload nginx");
    CHECK(list.size() == 4);
    CHECK(list.writes[0] ==
          WriteRule{.directory = "/etc/nginx/renewd", .owner = "root", .group = "ssl-cert", .mode = 0640});
    CHECK(list.writes[1].directory == "/srv/a directory");
    CHECK(list.writes[1].mode == 0644);
    CHECK(list.runs[0] == std::vector<std::string>{"nginx", "-t"});
    CHECK(list.runs[1] == std::vector<std::string>{"/usr/bin/systemctl", "reload", "nginx"});
    CHECK(parse("").size() == 0);
    CHECK(deployers::to_line(list.writes[0]) == "write /etc/nginx/renewd root:ssl-cert 0640");
}

TEST_CASE("allow list: one line that cannot be understood spoils it") {
    struct Case {
        std::string_view line, words;
    };

    for (const Case& c :
         {Case{"permit /etc root:root 0600", "\"permit\" permits nothing"},
          Case{"write /etc/tls root:root", "a permission to write is"},
          Case{"write /etc/tls root 0600", "no OWNER:GROUP"},
          Case{"write /etc/tls root: 0600", "no OWNER:GROUP"},
          Case{"write /etc/tls :root 0600", "no OWNER:GROUP"},
          Case{"write /etc/tls a:b:c 0600", "no OWNER:GROUP"},
          Case{"write /etc/tls root:root 4755", "no mode"}, Case{"write /etc/tls root:root 0689", "no mode"},
          Case{"write /etc/tls root:root 60", "no mode"}, Case{"write /etc/tls root:root -600", "no mode"},
          Case{"write / root:root 0600", "no directory"}, Case{"write etc root:root 0600", "no directory"},
          Case{"write /etc/../root root:root 0600", "no directory"},
          Case{"write /etc/./tls root:root 0600", "no directory"},
          Case{"write /etc//tls root:root 0600", "no directory"}, Case{"run", "a permission to run is"},
          Case{"run bin/nginx -t", "neither a program's name"}}) {
        CAPTURE(c.line);
        const auto list = deployers::parse_allow_list("run true\n" + std::string(c.line) + "\n", kFile);
        REQUIRE_FALSE(list.has_value());
        CHECK(base::to_string(list.error().code) == "config/syntax");
        CHECK(list.error().message.starts_with("/etc/renewd/allow:2: "));
        CHECK(list.error().message.find(c.words) != std::string::npos);
    }
}

TEST_CASE("allow list: what it lets through") {
    constexpr const char* kRuns = "run nginx -t\nrun systemctl reload nginx\n";

    struct Case {
        std::string_view name, line;
        bool permitted;
    };

    for (const Case& c :
         {Case{"the directory itself", "write /etc/nginx/tls root:root 0644", true},
          Case{"one above", "write /etc/nginx root:root 0644", true},
          Case{"a line for each mode", "write /etc/nginx/tls root:root 0600\nwrite /etc/nginx root:root 0644",
               true},
          Case{"a mode that is too narrow for the certificate", "write /etc/nginx/tls root:root 0600", false},
          Case{"a wider mode", "write /etc/nginx/tls root:root 0777", true},
          Case{"another group", "write /etc/nginx/tls root:ssl-cert 0644", false},
          Case{"another owner", "write /etc/nginx/tls www-data:root 0644", false},
          Case{"a directory with the same beginning", "write /etc/nginx/tl root:root 0644", false},
          Case{"one below", "write /etc/nginx/tls/a root:root 0644", false},
          Case{"another one", "write /etc/apache2 root:root 0644", false}, Case{"none", "", false}}) {
        CAPTURE(c.name);
        CHECK(hint(kRuns + std::string(c.line), fixed()).empty() == c.permitted);
    }
}

TEST_CASE("allow list: a refusal names every line that is missing, and no more") {
    CHECK(hint("", fixed()) ==
          "if that is to be allowed, add to /etc/renewd/allow  write /etc/nginx/tls root:root 0644  and  "
          "run nginx -t  and  run systemctl reload nginx");
    CHECK(
        hint("run nginx -t\nrun systemctl reload nginx\nwrite /etc/nginx root:root 0644\n", fixed()).empty());
    // The key alone would do with less.
    Installation key_only = fixed();
    key_only.published.erase(key_only.published.begin());
    CHECK(hint("run nginx -t\nrun systemctl reload nginx\n", key_only) ==
          "if that is to be allowed, add to /etc/renewd/allow  write /etc/nginx/tls root:root 0600");
    // One line for include file and versions, without the directory of one version.
    CHECK(hint("run nginx -t\n", with_include()) ==
          "if that is to be allowed, add to /etc/renewd/allow  write /etc/nginx/renewd root:root 0644");
    CHECK(hint("write /etc/nginx/renewd root:root 0644\n", with_include()).find("run nginx -t") !=
          std::string::npos);
    // Versions of which nothing is staged now are pruned all the same.
    Installation pruning = with_include();
    pruning.staged.clear();
    pruning.versions = "/srv/elsewhere.d";
    CHECK(hint("run nginx -t\nwrite /etc/nginx root:root 0644\n", pruning).find("/srv/elsewhere.d") !=
          std::string::npos);
}

TEST_CASE("allow list: commands are compared word for word") {
    const std::string_view list =
        "write /etc/nginx root:root 0644\nrun nginx -t\nrun systemctl reload nginx\n";
    Installation installation = fixed();
    for (const std::vector<std::string>& reload :
         {std::vector<std::string>{"systemctl", "reload", "nginx", "-H", "elsewhere"},
          std::vector<std::string>{"systemctl", "reload"},
          std::vector<std::string>{"systemctl", "stop", "nginx"},
          std::vector<std::string>{"/tmp/systemctl", "reload", "nginx"},
          std::vector<std::string>{"sh", "-c", "id"}}) {
        installation.reload = reload;
        CAPTURE(reload.back());
        CHECK_FALSE(hint(list, installation).empty());
    }
    // Not even by a list that names the same text: it would have to be guessed where a word ends.
    for (const std::vector<std::string>& reload : {std::vector<std::string>{"systemctl", "reload nginx"},
                                                   std::vector<std::string>{"systemctl", "", "x"}}) {
        installation.reload = reload;
        CHECK(hint(list, installation).find("script") != std::string::npos);
    }
    installation.reload = {"systemctl", "reload", "nginx"};
    installation.restart = {"systemctl", "restart", "nginx"};
    CHECK(hint(list, installation).ends_with("allow  run systemctl restart nginx"));
}

TEST_CASE("allow list: what may be looked at") {
    const AllowList list = parse("write /etc/nginx/tls root:root 0600\n");
    for (const char* path : {"/etc/nginx/tls/a", "/etc/nginx/tls/b/c"}) {
        CAPTURE(path);
        CHECK(deployers::judge_look(list, path, kFile).has_value());
    }
    for (const char* path :
         {"/etc/shadow", "/etc/nginx/tls", "/etc/nginx/tls/../../shadow", "/etc/nginx/tls//a",
          "/etc/nginx/tlsa/b", "etc/nginx/tls/a", "", "/etc/nginx/tls/a/"}) {
        CAPTURE(path);
        const auto judged = deployers::judge_look(list, path, kFile);
        REQUIRE_FALSE(judged.has_value());
        CHECK(base::to_string(judged.error().code) == "deploy/not-allowed");
    }
    CHECK(deployers::listed_directory(list, "/etc/nginx/tls/b/c") == "/etc/nginx/tls");
    CHECK(deployers::listed_directory(list, "/etc/shadow") == "");
}
