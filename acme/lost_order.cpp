// SPDX-License-Identifier: Apache-2.0
#include "acme/lost_order.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "acme/account.hpp"
#include "acme/limits.hpp"
#include "acme/url.hpp"
#include "acme/wire.hpp"

namespace acme {
namespace {

/// Nothing says in which order a list stands: what is new is at one end of it or the other.
void keep_ends(std::vector<std::string>& urls) {
    if (urls.size() <= 2 * kOrdersLookedAt) return;
    const auto middle = urls.begin() + static_cast<std::ptrdiff_t>(kOrdersLookedAt);
    urls.erase(middle, urls.end() - static_cast<std::ptrdiff_t>(kOrdersLookedAt));
}

/// Of the whole list, page by page, as far as it can be read, those at its ends, the last ones first.
std::vector<std::string> newest_orders(const Flow& flow, std::string page) {
    std::vector<std::string> urls;
    for (std::size_t pages = 0; pages < kOrderPagesMax && !page.empty(); ++pages) {
        const auto answer = flow.session.post(flow.account, page, std::nullopt);
        if (!answer) break;
        std::ranges::move(parse_orders(answer->body, page), std::back_inserter(urls));
        keep_ends(urls);
        const auto next = find_links(*answer, "next", 1);
        auto target =
            next.empty() ? base::Result<std::string>(std::string()) : resolve_url(page, next.front());
        page = target ? std::move(*target) : std::string();
    }
    std::ranges::reverse(urls);
    return urls;
}

}  // namespace

std::optional<OrderView> find_lost_order(const Flow& flow) {
    // Best effort from the first question on: whatever goes wrong here costs an order, and no certificate.
    const auto account = look_at_account(flow.session, flow.account);
    if (!account || account->orders.empty()) return std::nullopt;
    auto list = resolve_url(flow.account.url, account->orders);
    if (!list) return std::nullopt;
    for (const std::string& url : newest_orders(flow, std::move(*list))) {
        auto view = look_at_order(flow, url);
        if (view && can_be_gone_on_with(flow, view->order)) return std::move(*view);
    }
    return std::nullopt;
}

}  // namespace acme
