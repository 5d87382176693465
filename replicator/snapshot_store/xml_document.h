// XML answers of stores, whatever prefixes they give to their namespaces.
#pragma once

#include <functional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

namespace colony {

// Throws Error that begins with `what` when it is no XML.
pugi::xml_document parse_xml(const std::string& text, const std::string& what);

// Calls `found` for each element of that local name, at any depth.
void for_each_element(const pugi::xml_node& root, std::string_view local_name,
                      const std::function<void(const pugi::xml_node&)>& found);

// The first such element below `root`, null if there is none.
pugi::xml_node first_element(const pugi::xml_node& root, std::string_view local_name);

}  // namespace colony
