// SPDX-License-Identifier: Apache-2.0
// The open orders of the file store: a directory for each CA that one was begun at, and in it what the order
// is for, its key or request, and room for its certificate. With that certificate it becomes a generation.
#include <algorithm>
#include <array>
#include <utility>

#include "agent/memory/file_store.hpp"
#include "agent/memory/reserve.hpp"
#include "agent/memory/state_files.hpp"
#include "base/encoding.hpp"
#include "base/key.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

constexpr const char* kOrderFile = "/order.json";
constexpr const char* kKeyFile = "/privkey.pem";
constexpr const char* kRequestFile = "/request.der";  // in its place, where the key is the user's own
constexpr std::array<std::string_view, 4> kContents{"cert.pem", "chain.pem", "fullchain.pem", "meta.json"};
constexpr const char* kOnly = "next";   // of an earlier renewd, which knew one order
constexpr const char* kOfCa = "next-";  // and the CA's name

/// What a person has to know of an order that cannot be gone on with.
base::Failure unusable(const std::string& next, const Result<OpenOrder>& order,
                       const std::string& key_fault) {
    const std::string url = order && !order->url.empty() ? " (" + order->url + ")" : "";
    const std::string what = !order ? "order.json " + order.error().message : key_fault;
    const std::string meaning = order ? "Without this key a certificate of the order" + url + " is of no use."
                                      : "Which order it was cannot be told; a certificate that it has led to "
                                        "cannot be fetched any more.";
    return base::fail(
        Code::StateCorrupt,
        next + " holds an order that cannot be gone on with: " + what + ". " + meaning +
            " Nothing is ordered until you decide",
        "bring " + next + " back from a backup; or, to order anew with a new key:  rm -r " + next);
}

}  // namespace

Result<std::vector<std::string>> FileStore::order_places(const std::string& certificate) {
    auto entries = files_.list(home(certificate));
    if (!entries && entries.error().code == Code::FileNotFound) return std::vector<std::string>{};
    std::vector<std::string> places;
    for (const std::string& entry : TRY(as_owned(std::move(entries), home(certificate)))) {
        if (entry == kOnly || entry.starts_with(kOfCa)) places.push_back(home(certificate) + "/" + entry);
    }
    std::ranges::sort(places);
    return places;
}

Result<std::string> FileStore::order_place(const std::string& certificate, const std::string& ca) {
    const std::string only = home(certificate) + "/" + kOnly;
    const auto text =
        TRY(as_owned(read_if_there(files_, only + kOrderFile, kStateFileMax), home(certificate)));
    const auto order = text ? parse_order(*text) : Result<OpenOrder>{OpenOrder{}};
    return order && order->ordered_for.ca == ca ? only : home(certificate) + "/" + kOfCa + ca;
}

Result<std::optional<OpenOrder>> FileStore::read_order(const std::string& certificate,
                                                       const std::string& place) {
    const auto text =
        TRY(as_owned(read_if_there(files_, place + kOrderFile, kStateFileMax), home(certificate)));
    if (!text) return std::optional<OpenOrder>{};
    auto order = parse_order(*text);
    if (!order && order.error().code == Code::StateNewer)
        return tl::make_unexpected(std::move(order).error().within(place + kOrderFile));
    if (!order) return unusable(place, order, "");
    const bool has_request = !order->ordered_for.request_key.empty();
    const std::string path = place + (has_request ? kRequestFile : kKeyFile);
    auto material = TRY(as_owned(read_if_there(files_, path, kPemFileMax), home(certificate)));
    if (!material) return unusable(place, order, path + " is missing");
    const bool is_the_one =
        order->material_sha256.empty() || order->material_sha256 == base::sha256_hex(*material);
    if (!is_the_one) return unusable(place, order, path + " is not what was written");
    if (has_request) {
        order->request_der = std::move(*material);
    } else {
        order->key_pem = base::Secret(std::move(*material));
        if (!base::PrivateKey::parse(order->key_pem)) return unusable(place, order, path + " is no key");
    }
    return std::optional(std::move(*order));
}

Result<std::vector<OpenOrder>> FileStore::open_orders(const std::string& certificate) {
    std::vector<OpenOrder> orders;
    for (const std::string& place : TRY(order_places(certificate))) {
        if (auto order = TRY(read_order(certificate, place))) orders.push_back(std::move(*order));
    }
    return orders;
}

Result<void> FileStore::begin_order(const std::string& certificate, const OpenOrder& order) {
    TRY(remove_at_once(files_, TRY(order_place(certificate, order.ordered_for.ca))));
    const std::string next = TRY(order_place(certificate, order.ordered_for.ca));
    TRY(remove_at_once(files_, next));
    TRY(as_state(base::make_directories(files_, next, kPrivateDirectory)));
    const bool has_request = !order.request_der.empty();
    // Durable under its name together with order.json, before which nobody looks for it.
    TRY(as_state(base::write_new_file(files_, next + (has_request ? kRequestFile : kKeyFile),
                                      has_request ? order.request_der : order.key_pem.reveal(), kPrivate)));
    TRY(make_reserve(files_, next, kContents));
    return order_placed(certificate, order);
}

Result<void> FileStore::order_placed(const std::string& certificate, const OpenOrder& order) {
    const std::string place = TRY(order_place(certificate, order.ordered_for.ca));
    return as_state(base::write_durably(files_, place + kOrderFile, to_text(order), kPrivate));
}

Result<void> FileStore::drop_orders(const std::string& certificate) {
    return drop_orders_but(certificate, "");
}

Result<void> FileStore::drop_orders_but(const std::string& certificate, const std::string& kept) {
    std::vector<std::string> places = TRY(order_places(certificate));
    std::erase(places, kept);
    // One that cannot be read at all is given up with the others; one of a later renewd keeps them all.
    for (const std::string& place : places) {
        const auto order = read_order(certificate, place);
        if (!order && order.error().code == Code::StateNewer) return tl::make_unexpected(order.error());
    }
    for (const std::string& place : places) TRY(remove_at_once(files_, place));
    return !places.empty() ? as_state(base::sync_directory(files_, home(certificate))) : Result<void>{};
}

Result<void> FileStore::complete(const std::string& certificate, const GenerationRecord& record,
                                 const base::Chain& chain) {
    const std::string next = TRY(order_place(certificate, record.ordered_for.ca));
    const std::string directory = directory_of(certificate, record.number);
    if (!base::exists(files_, next + kOrderFile) && base::exists(files_, directory + "/meta.json"))
        return settle_generation(certificate, record.number);  // an earlier try came this far
    auto written = write_contents(next, record, chain);
    if (!written) {
        take_room_again(next);
        return written;
    }
    // Before it is a generation: a run that is killed in between would go on with an order that nobody wants
    // any more, and get a second certificate.
    TRY(drop_orders_but(certificate, next));
    TRY(as_state(files_.rename(next, directory)));
    return settle_generation(certificate, record.number);
}

Result<void> FileStore::write_contents(const std::string& next, const GenerationRecord& record,
                                       const base::Chain& chain) {
    TRY(release_reserve(files_, next));
    const base::Chain leaf(chain.begin(), chain.begin() + 1);
    const base::Chain issuers(chain.begin() + 1, chain.end());
    const std::array<std::string, kContents.size()> contents{base::to_pem(leaf), base::to_pem(issuers),
                                                             base::to_pem(chain), to_text(record)};
    for (std::size_t i = 0; i < contents.size(); ++i) {
        TRY(as_state(
            base::fill_file(files_, (next + "/").append(kContents.at(i)), contents.at(i), kPrivate)));
    }
    return as_state(base::sync_directory(files_, next));
}

/// For the next try, so that nobody else fills it meanwhile. Best effort: there may be none.
void FileStore::take_room_again(const std::string& next) {
    for (const std::string_view name : kContents)
        static_cast<void>(base::remove_tree(files_, (next + "/").append(name)));
    static_cast<void>(release_reserve(files_, next));
    static_cast<void>(make_reserve(files_, next, kContents));
}

Result<void> FileStore::settle_generation(const std::string& certificate, int number) {
    TRY(as_state(base::sync_directory(files_, home(certificate))));
    return as_state(base::replace_symlink(files_, std::to_string(number), home(certificate) + "/live"));
}

}  // namespace agent
