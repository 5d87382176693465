#include "replicator/cli/help_page.h"

#include <algorithm>
#include <sstream>

namespace colony::cli {
namespace {

constexpr std::size_t kWidth = 79;
constexpr std::size_t kDescriptionColumn = 24;

// Where the text of a line begins: after its indent, and after the first column of a table.
std::size_t text_column(const std::string& line) {
  const std::size_t first = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t gap = line.find("  ", first);
  if (gap == line.npos) return first;
  return std::min(line.find_first_not_of(' ', gap), line.size());
}

void add_wrapped_line(const std::string& line, std::size_t width, std::string& out) {
  const std::size_t column = text_column(line);
  std::size_t begin = 0, indent = 0;
  while (indent + line.size() - begin > width) {
    std::size_t end = line.rfind(' ', begin + width - indent);
    // A word that is wider than the page stays whole.
    if (end == line.npos || end <= begin + (begin == 0 ? column : 0)) end = line.find(' ', begin + width - indent);
    if (end == line.npos) break;
    out += line.substr(begin, end - begin) + "\n" + std::string(column, ' ');
    begin = end + 1;
    indent = column;
  }
  out += line.substr(begin);
}

std::string entry(const std::string& name, const std::string& description) {
  std::string text = "  " + name;
  if (text.size() + 2 > kDescriptionColumn) {
    text += "\n" + std::string(kDescriptionColumn, ' ');
  } else {
    text.resize(kDescriptionColumn, ' ');
  }
  std::istringstream lines(wrapped(description, kWidth - kDescriptionColumn));
  std::string line;
  for (bool is_first = true; std::getline(lines, line); is_first = false) {
    text += (is_first ? "" : "\n" + std::string(kDescriptionColumn, ' ')) + line;
  }
  return text + "\n";
}

// Without what its validators say of themselves: descriptions say it better.
std::string type_of(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

}  // namespace

std::string wrapped(const std::string& text, std::size_t width) {
  std::istringstream lines(text);
  std::string line, out;
  for (bool is_first = true; std::getline(lines, line); is_first = false) {
    if (!is_first) out += "\n";
    add_wrapped_line(line, width, out);
  }
  return out;
}

HelpPage::HelpPage() {
  label("Positionals", "Arguments");
  label("SUBCOMMAND", "COMMAND");
}

std::string HelpPage::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string page = CLI::Formatter::make_help(app, std::move(name), mode);
  while (page.find("\n\n\n") != page.npos) page.replace(page.find("\n\n\n"), 3, "\n\n");
  return page;
}

std::string HelpPage::make_description(const CLI::App* app) const {
  return wrapped(app->get_description(), kWidth) + "\n\n";
}

std::string HelpPage::make_footer(const CLI::App* app) const { return wrapped(app->get_footer(), kWidth) + "\n"; }

std::string HelpPage::make_subcommand(const CLI::App* command) const {
  return entry(command->get_name(), command->get_description());
}

std::string HelpPage::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = make_option_name(option, is_positional);
  if (const auto comma = name.find(','); comma != name.npos) name.insert(comma + 1, " ");
  if (const std::string type = is_positional ? "" : type_of(*option); !type.empty()) name += " " + type;
  std::string description = option->get_description();
  if (!is_positional && option->get_required()) description += " (required)";
  if (!option->get_default_str().empty()) description += " [default: " + option->get_default_str() + "]";
  if (!option->get_envname().empty()) description += " [$" + option->get_envname() + "]";
  return entry(name, description);
}

}  // namespace colony::cli
