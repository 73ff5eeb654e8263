#include "storage/engine.h"

namespace regent::storage {

void Batch::Add(bool put, std::string_view row, std::string_view value) {
  entries_.push_back(Entry{.offset = bytes_.size(),
                           .row_bytes = static_cast<uint32_t>(row.size()),
                           .value_bytes = static_cast<uint32_t>(value.size()),
                           .put = put});
  bytes_.append(row);
  bytes_.append(value);
}

void Batch::Append(const Batch& other) {
  const size_t base = bytes_.size();
  bytes_.append(other.bytes_);
  entries_.reserve(entries_.size() + other.entries_.size());
  for (Entry entry : other.entries_) {
    entry.offset += base;
    entries_.push_back(entry);
  }
}

void Batch::Clear() {
  bytes_.clear();
  entries_.clear();
}

Batch::Operation Batch::at(size_t position) const {
  const Entry& entry = entries_[position];
  const std::string_view bytes = bytes_;
  return Operation{.put = entry.put,
                   .row = bytes.substr(entry.offset, entry.row_bytes),
                   .value = bytes.substr(entry.offset + entry.row_bytes, entry.value_bytes)};
}

}  // namespace regent::storage
