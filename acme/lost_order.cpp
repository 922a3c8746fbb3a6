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

/// The whole list, page by page, as far as it can be read.
std::vector<std::string> list_orders(const Flow& flow, std::string page) {
    std::vector<std::string> urls;
    for (std::size_t pages = 0; pages < kOrderPagesMax && !page.empty(); ++pages) {
        const auto answer = flow.session.post(flow.account, page, std::nullopt);
        if (!answer) break;
        std::ranges::move(parse_orders(answer->body, page), std::back_inserter(urls));
        const auto next = find_links(*answer, "next", 1);
        auto target =
            next.empty() ? base::Result<std::string>(std::string()) : resolve_url(page, next.front());
        page = target ? std::move(*target) : std::string();
    }
    return urls;
}

/// Those at the ends of the list, the last ones first: nothing says in which order they stand in it.
std::vector<std::string> newest(std::vector<std::string> urls) {
    std::ranges::reverse(urls);
    if (urls.size() > 2 * kOrdersLookedAt) {
        const auto middle = urls.begin() + static_cast<std::ptrdiff_t>(kOrdersLookedAt);
        urls.erase(middle, urls.end() - static_cast<std::ptrdiff_t>(kOrdersLookedAt));
    }
    return urls;
}

}  // namespace

std::optional<OrderView> find_lost_order(const Flow& flow) {
    // Best effort from the first question on: whatever goes wrong here costs an order, and no certificate.
    const auto account = look_at_account(flow.session, flow.account);
    if (!account || account->orders.empty()) return std::nullopt;
    auto list = resolve_url(flow.account.url, account->orders);
    if (!list) return std::nullopt;
    for (const std::string& url : newest(list_orders(flow, std::move(*list)))) {
        auto view = look_at_order(flow, url);
        if (view && can_be_gone_on_with(flow, view->order)) return std::move(*view);
    }
    return std::nullopt;
}

}  // namespace acme
