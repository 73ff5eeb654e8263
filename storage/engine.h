// The seam between the store and the ordered rows on disk: RocksDB in production (rocks_engine.h), an ordered map in
// tests and simulation (memory_engine.h).
//
// Promises of every engine:
//  * A batch is atomic, and batches become durable in the order they were written: what a crash brings back is always a
//    prefix of them. Nothing is durable before Flush says so (or the engine decides by itself).
//  * An iterator sees the rows as they are when it is made; later writes do not change what it sees.
//  * Rows are ordered by unsigned bytes.
//  * A failing read or write of the disk, and a bad checksum, ends the process: the store never guesses.
//
// Threads: Get, Iterate, Flush, GetPersisted and generation from any thread; everything else from the owner of the
// state machine alone. An iterator belongs to the thread that made it and must not outlive the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace regent::storage {

// Rows to put and to delete, in order; the later one wins. One flat buffer: adding costs no allocation of its own.
class Batch {
 public:
  struct Operation {
    bool put = false;  // otherwise a delete
    std::string_view row;
    std::string_view value;
  };

  void Put(std::string_view row, std::string_view value) { Add(true, row, value); }
  void Delete(std::string_view row) { Add(false, row, {}); }

  // Appends the operations of `other`.
  void Append(const Batch& other);
  void Clear();

  bool empty() const { return entries_.empty(); }
  size_t count() const { return entries_.size(); }
  size_t size_bytes() const { return bytes_.size() + entries_.size() * sizeof(Entry); }
  // Valid until the next change of the batch.
  Operation at(size_t position) const;

 private:
  struct Entry {
    size_t offset = 0;
    uint32_t row_bytes = 0;
    uint32_t value_bytes = 0;
    bool put = false;
  };
  void Add(bool put, std::string_view row, std::string_view value);

  std::string bytes_;
  std::vector<Entry> entries_;
};

class RowIterator {
 public:
  virtual ~RowIterator() = default;
  // To the first row at or after `row`.
  virtual void Seek(std::string_view row) = 0;
  // REQUIRES: Valid().
  virtual void Next() = 0;
  virtual bool Valid() const = 0;
  // REQUIRES: Valid(). The bytes live until the iterator moves.
  virtual std::string_view row() const = 0;
  virtual std::string_view value() const = 0;
};

// What an iterator will be used for; kOneKey lets the engine ask its filters first.
enum class Scope : uint8_t {
  kOneKey,  // only versions of the key of the last Seek (rows of keys.h that begin with the same KeyPrefix): rows
            // behind them may be there or not
  kRange,   // any rows
  kAll,     // very many rows once: they do not push others out of the caches
};

class Engine {
 public:
  virtual ~Engine() = default;

  // False when there is no such row.
  virtual bool Get(std::string_view row, std::string* value) const = 0;

  // Rows below `upper_bound`. Not positioned: Seek first.
  virtual std::unique_ptr<RowIterator> Iterate(std::string upper_bound, Scope scope) const = 0;

  virtual void Write(const Batch& batch) = 0;

  // Everything written so far is durable when it returns. ResourceExhausted: the disk has too little room for it, and
  // nothing was tried.
  [[nodiscard]] virtual absl::Status Flush() = 0;

  // The row as a crash right now would bring it back.
  virtual std::optional<std::string> GetPersisted(std::string_view row) const = 0;

  // Frees the space of rows in [begin, end) as far as it is cheap. An optimisation: rows may stay, or come back after a
  // crash.
  virtual void DropRange(std::string_view begin, std::string_view end) = 0;

  // A durable copy of everything in the new folder `directory`, for snapshots. Unimplemented is a legal answer.
  [[nodiscard]] virtual absl::Status Checkpoint(const std::string& directory) = 0;

  // Tells this engine from the ones that it replaced (a snapshot was installed) on this node.
  virtual uint64_t generation() const = 0;
};

}  // namespace regent::storage
