// How `colony --help` and the pages of its commands look: 80 columns, a column of names and
// one of descriptions.
//
// Descriptions and footers are written without line breaks inside a paragraph; the page breaks
// them. A line that is indented, or that has a gap of two spaces after its first words (a table),
// goes on where its text begins.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace colony::cli {

class HelpPage : public CLI::Formatter {
 public:
  HelpPage();

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_footer(const CLI::App* app) const override;
  std::string make_subcommand(const CLI::App* command) const override;

  // An option's default and its environment variable follow its description.
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
};

// Each line of `text` broken at spaces so that it ends before `width` columns.
std::string wrapped(const std::string& text, std::size_t width);

}  // namespace colony::cli
