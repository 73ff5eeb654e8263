#include "tests/corrupt/outcome_table.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <utility>

namespace regent::testing {
namespace {

constexpr uint64_t kShownMax = 10;
constexpr char kPlanted[] = "planted bug";  // a table of this name looks for what it is not supposed to find

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

OutcomeTable::OutcomeTable(std::string name, std::vector<std::string> columns)
    : name_(std::move(name)), columns_(std::move(columns)) {}

void OutcomeTable::Add(const std::string& region, const std::string& column, const std::string& outcome) {
  if (!cells_.contains(region)) regions_.push_back(region);
  cells_[region][column].insert(outcome);
  ++counts_[outcome];
  ++places_;
}

void OutcomeTable::AddSilent(const std::string& where, const std::string& what) {
  const bool planted = name_.starts_with(kPlanted);
  if (++silent_ > (planted ? 1 : kShownMax)) return;
  std::printf("%s %s: %s: %s\n", planted ? "found" : "SILENT", name_.c_str(), where.c_str(), what.c_str());
}

uint64_t OutcomeTable::CountOf(const std::string& outcome) const {
  const auto found = counts_.find(outcome);
  return found == counts_.end() ? 0 : found->second;
}

std::string OutcomeTable::Render() const {
  std::string text = "| Region |";
  for (const std::string& column : columns_) text += " " + column + " |";
  text += "\n|---|";
  for (size_t i = 0; i < columns_.size(); ++i) text += "---|";
  text += "\n";
  for (const std::string& region : regions_) {
    text += "| " + region + " |";
    for (const std::string& column : columns_) {
      std::string cell;
      const auto& outcomes = cells_.at(region);
      if (const auto found = outcomes.find(column); found != outcomes.end()) {
        for (const std::string& outcome : found->second) cell += (cell.empty() ? " " : "; or ") + outcome;
      }
      text += (cell.empty() ? " —" : cell) + " |";
    }
    text += "\n";
  }
  return text;
}

bool OutcomeTable::IsPartOf(const std::string& rendered) const {
  for (const auto& [region, outcomes] : cells_) {
    size_t at = rendered.find("| " + region + " |");
    if (at == std::string::npos) return false;
    at = rendered.find('|', at + 1);
    for (const std::string& column : columns_) {
      const size_t end = rendered.find('|', at + 1);
      if (end == std::string::npos) return false;
      const std::string cell = rendered.substr(at + 1, end - at - 1);
      const auto found = outcomes.find(column);
      if (found != outcomes.end()) {
        for (const std::string& outcome : found->second) {
          if (cell.find(outcome) == std::string::npos) return false;
        }
      }
      at = end;
    }
  }
  return true;
}

bool OutcomeTable::Close(const std::string& page, Page what) const {
  std::printf("%s: %llu places damaged, %llu silent\n", name_.c_str(), static_cast<unsigned long long>(places_),
              static_cast<unsigned long long>(silent_));
  for (const auto& [outcome, count] : counts_) {
    std::printf("  %8llu  %s\n", static_cast<unsigned long long>(count), outcome.c_str());
  }
  const std::string begin = "<!-- " + name_ + " -->\n";
  std::string text = ReadFile(page);
  const size_t start = text.find(begin);
  const size_t end = start == std::string::npos ? start : text.find("<!-- end -->", start);
  if (end == std::string::npos) {
    std::printf("FAILED: %s has no place for the table %s\n", page.c_str(), name_.c_str());
    return false;
  }
  const std::string stands = text.substr(start + begin.size(), end - start - begin.size());
  if (what == Page::kWrite) {
    text.replace(start + begin.size(), stands.size(), Render());
    std::ofstream(page, std::ios::binary) << text;
  } else if (what == Page::kPartOf ? !IsPartOf(stands) : stands != Render()) {
    std::printf("FAILED: %s says otherwise; run with --write, and look at the difference. The table is now:\n%s",
                page.c_str(), Render().c_str());
    return false;
  }
  return silent_ == 0;
}

}  // namespace regent::testing
