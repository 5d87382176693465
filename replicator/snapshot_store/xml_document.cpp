#include "replicator/snapshot_store/xml_document.h"

#include "replicator/log/error.h"

namespace colony {

namespace {

bool has_local_name(const pugi::xml_node& node, std::string_view local_name) {
  const std::string_view name = node.name();
  const auto colon = name.rfind(':');
  return name.substr(colon == name.npos ? 0 : colon + 1) == local_name;
}

}  // namespace

pugi::xml_document parse_xml(const std::string& text, const std::string& what) {
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(text.data(), text.size());
  if (!result) throw Error(what + ": the server's answer is no XML: " + result.description());
  return document;
}

void for_each_element(const pugi::xml_node& root, std::string_view local_name,
                      const std::function<void(const pugi::xml_node&)>& found) {
  // pugixml walks without recursion: depth is the server's choice.
  struct Walker : pugi::xml_tree_walker {
    Walker(std::string_view name, const std::function<void(const pugi::xml_node&)>& call) : name_(name), call_(call) {}
    bool for_each(pugi::xml_node& node) override {
      if (has_local_name(node, name_)) call_(node);
      return true;
    }
    std::string_view name_;
    const std::function<void(const pugi::xml_node&)>& call_;
  } walker(local_name, found);
  pugi::xml_node top = root;
  top.traverse(walker);
}

pugi::xml_node first_element(const pugi::xml_node& root, std::string_view local_name) {
  return root.find_node([&](const pugi::xml_node& node) { return has_local_name(node, local_name); });
}

}  // namespace colony
