// The matrices of damage: each damages every place of its files in turn, judges what a start makes of it, and compares
// the outcome of each region with docs/damage.md. True: nothing was silent, the page is right, the planted bugs were
// found.
#pragma once

#include <cstdint>
#include <string>

#include "tests/corrupt/outcome_table.h"

namespace regent::testing {

struct MatrixOptions {
  std::string page = "docs/damage.md";
  OutcomeTable::Page page_use = OutcomeTable::Page::kCompare;
  std::string folder;   // for files of real stores; emptied and used
  int patterns = 4;     // how many of the ways to change a byte
  uint64_t stride = 1;  // every so many-th byte of large files of the store, sectors are never left out
  uint64_t seed = 1;    // chooses which of them
};

// What is written over a byte.
inline constexpr int kFlipPatterns = 4;
char Flip(char byte, uint64_t offset, int pattern);

bool LogMatrix(const MatrixOptions& options);
bool MetadataMatrix(const MatrixOptions& options);
bool StoreMatrix(const MatrixOptions& options);

}  // namespace regent::testing
