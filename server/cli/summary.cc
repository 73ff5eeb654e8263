#include "server/cli/summary.h"

#include <algorithm>

#include "server/cli/json_object.h"

namespace regent::server {
namespace {

std::string Padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

}  // namespace

void Summary::Add(std::string_view name, std::string_view json, std::string_view text) {
  facts_.push_back({.name = std::string(name), .json = std::string(json), .text = std::string(text)});
}

void Summary::Text(std::string_view name, std::string_view text) { Add(name, JsonString(text), text); }

void Summary::List(std::string_view name, const std::vector<std::string>& texts) {
  std::string json, text;
  for (const std::string& one : texts) {
    json += (json.empty() ? "" : ",") + JsonString(one);
    text += (text.empty() ? "" : "; ") + one;
  }
  Add(name, "[" + json + "]", text.empty() ? "none" : text);
}

void Summary::Rows(std::string_view name, const std::vector<Summary>& rows) {
  std::string json;
  for (const Summary& row : rows) json += (json.empty() ? "" : ",") + row.Json();
  Add(name, "[" + json + "]", std::to_string(rows.size()));
  if (!rows.empty()) tables_ += "\n" + Columns(rows);
}

std::string Summary::Shown(std::string_view name) {
  std::string shown(name);
  std::replace(shown.begin(), shown.end(), '_', ' ');
  return shown;
}

std::string Summary::Table() const {
  size_t width = 0;
  for (const Fact& fact : facts_) width = std::max(width, fact.name.size());
  std::string table;
  for (const Fact& fact : facts_) table += Padded(Shown(fact.name), width) + "  " + fact.text + "\n";
  return table + tables_;
}

std::string Summary::Columns(const std::vector<Summary>& rows) {
  std::vector<std::string> lines(rows.size() + 1);
  for (size_t column = 0; column < rows.front().facts_.size(); ++column) {
    std::vector<std::string> cells = {Shown(rows.front().facts_[column].name)};
    for (const Summary& row : rows) cells.push_back(row.facts_[column].text);
    size_t width = 0;
    for (const std::string& cell : cells) width = std::max(width, cell.size());
    const bool last = column + 1 == rows.front().facts_.size();
    for (size_t i = 0; i < cells.size(); ++i) lines[i] += last ? cells[i] : Padded(cells[i], width + 2);
  }
  std::string table;
  for (const std::string& line : lines) table += line + "\n";
  return table;
}

std::string Summary::Json() const {
  JsonObject object;
  for (const Fact& fact : facts_) object.Json(fact.name, fact.json);
  return object.Take();
}

}  // namespace regent::server
