#include "storage/configuration_row.h"

#include "api/contract/wire.h"
#include "storage/row_reader.h"

namespace regent::storage {

std::string EncodeConfigurationRow(const raft::Entry& entry) {
  std::string row;
  api::AppendVarint(row, entry.index.value);
  api::AppendVarint(row, entry.term.value);
  row.append(entry.data.view());
  return row;
}

std::optional<raft::Entry> ParseConfigurationRow(std::string_view value) {
  RowReader reader(value);
  raft::Entry entry{.type = raft::EntryType::kConfiguration};
  entry.index.value = reader.Varint();
  entry.term.value = reader.Varint();
  entry.data = reader.rest();
  if (reader.malformed()) return std::nullopt;
  return entry;
}

}  // namespace regent::storage
