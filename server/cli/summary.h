// Facts in an order, told to a person as a table or to a program as one JSON object.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace regent::server {

class Summary {
 public:
  template <std::integral Integer>
  void Number(std::string_view name, Integer value) {
    Add(name, std::to_string(value), std::to_string(value));
  }
  void Text(std::string_view name, std::string_view text);
  // `json` for programs, `text` for people.
  void Add(std::string_view name, std::string_view json, std::string_view text);
  // A table of its own, in which every row has the same facts.
  void Rows(std::string_view name, const std::vector<Summary>& rows);
  void List(std::string_view name, const std::vector<std::string>& texts);

  std::string Table() const;
  std::string Json() const;

 private:
  struct Fact {
    std::string name;  // as in JSON; people see blanks for underscores
    std::string json;
    std::string text;
  };
  static std::string Shown(std::string_view name);
  static std::string Columns(const std::vector<Summary>& rows);

  std::vector<Fact> facts_;
  std::string tables_;
};

}  // namespace regent::server
