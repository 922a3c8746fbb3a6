// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/progress.hpp"

#include <algorithm>

#include <sys/ioctl.h>

#include "agent/tell/words.hpp"

namespace agent {

namespace {

std::size_t terminal_width(std::FILE* out) {
    winsize size{};
    if (::ioctl(::fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

}  // namespace

std::string Progress::text_of(const std::string& certificate, const Line& line) const {
    std::string text = "  " + certificate;
    for (const auto& [step, detail] : line.steps) text += "  " + step + (detail.empty() ? "" : " " + detail);
    return text;
}

void Progress::step(const std::string& certificate, std::string_view step, std::string_view detail) {
    const std::scoped_lock guard(mutex_);
    Line& line = lines_[certificate];
    if (line.steps.empty()) line.begun = clock_.steady();
    const auto known = std::ranges::find_if(line.steps, [&](const auto& s) { return s.first == step; });
    if (known != line.steps.end()) {
        known->second = detail;
    } else {
        line.steps.emplace_back(step, detail);
    }
    if (manner_ != Manner::Live) return;
    const std::string text = cut_middle(text_of(certificate, line), terminal_width(out_) - 1);
    std::fprintf(out_, "\r\033[K%s", text.c_str());
    std::fflush(out_);
}

void Progress::finish(const std::string& certificate, std::string_view ending) {
    const std::scoped_lock guard(mutex_);
    const auto found = lines_.find(certificate);
    if (found == lines_.end()) return;
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - found->second.begun);
    const std::string text =
        text_of(certificate, found->second) + (ending.empty() ? "" : "  " + std::string(ending));
    lines_.erase(found);
    if (manner_ == Manner::Silent) return;
    const std::string clear = manner_ == Manner::Live ? "\r\033[K" : "";
    std::fprintf(out_, "%s%s    %.1f s\n", clear.c_str(), text.c_str(),
                 static_cast<double>(took.count()) / 1000.0);
    std::fflush(out_);
}

}  // namespace agent
