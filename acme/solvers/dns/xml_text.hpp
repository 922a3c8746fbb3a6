// SPDX-License-Identifier: Apache-2.0
// The texts of Route 53's answers: small documents of a fixed shape, of elements without attributes below the
// root. This is no parser of XML: what such an answer never holds (comments, CDATA, a document type, mixed
// case of names) is refused, so that "<Name>" in the document is an element and nothing else. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace acme {

/// The inside of the root element, if the document is one of this root and nothing that we do not read.
[[nodiscard]] std::optional<std::string_view> xml_root(std::string_view document, std::string_view root);
/// The inside of every element of this name, in order; nothing if one has no end. They must not hold one
/// another.
[[nodiscard]] std::optional<std::vector<std::string_view>> xml_all(std::string_view inside,
                                                                   std::string_view name);
/// The text of the first element of this name; empty if there is none, or if it holds elements or a reference
/// we do not know.
[[nodiscard]] std::string xml_text(std::string_view inside, std::string_view name);

/// Text with its five references resolved, and numbers below 128; nothing for others, and for elements in it.
[[nodiscard]] std::optional<std::string> xml_unescape(std::string_view text);
/// Text for an element.
[[nodiscard]] std::string xml_escape(std::string_view text);

}  // namespace acme
