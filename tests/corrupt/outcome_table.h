// What came of damaging each region, gathered over all of its places, and the same table in docs/damage.md, which must
// say exactly that: the page cannot go stale.
//
// A table stands in the page between "<!-- <name> -->" and "<!-- end -->".
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace regent::testing {

class OutcomeTable {
 public:
  // `columns`: the kinds of damage. Regions are shown in the order in which they are named.
  OutcomeTable(std::string name, std::vector<std::string> columns);

  void Add(const std::string& region, const std::string& column, const std::string& outcome);
  // What must never happen; every one is a failure. The first few are printed.
  void AddSilent(const std::string& where, const std::string& what);

  uint64_t places() const { return places_; }
  uint64_t silent() const { return silent_; }
  // How many places had this outcome.
  uint64_t CountOf(const std::string& outcome) const;

  std::string Render() const;

  // Prints the counters; compares with the page, or writes the table into it. False when something was silent or the
  // page says otherwise.
  enum class Page {
    kCompare,
    kPartOf,  // not every outcome was seen: what was must stand in the page
    kWrite,
  };
  bool Close(const std::string& page, Page what) const;

 private:
  bool IsPartOf(const std::string& rendered) const;

  const std::string name_;
  const std::vector<std::string> columns_;
  std::vector<std::string> regions_;
  std::map<std::string, std::map<std::string, std::set<std::string>>> cells_;  // region, column
  std::map<std::string, uint64_t> counts_;                                     // by outcome
  uint64_t places_ = 0;
  uint64_t silent_ = 0;
};

}  // namespace regent::testing
