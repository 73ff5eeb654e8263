// What a change looks like to watchers. An EventBatch is made once by apply (or by a catch-up read), is immutable, and
// is shared by everybody who sends it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/contract/types.h"

namespace regent::storage {

struct Event {
  enum class Type : uint8_t { kPut, kDelete };
  api::Revision revision;
  Type type = Type::kPut;
  std::string key;
  std::string rest;      // fields 2 to 6 of the mvccpb.KeyValue, encoded; of a delete only mod_revision
  bool created = false;  // a put that made the key: it never has a previous value
  // The previous version, fields 2 to 6 encoded. `previous_known` says whether it was looked up: if it was and there
  // is none, the key was created or the version is compacted away.
  bool previous_known = false;
  std::optional<std::string> previous;
};

struct EventBatch {
  api::Revision first;  // the batch covers the revisions first to last, also where they have no event here
  api::Revision last;
  bool too_large = false;     // the events are not here: watchers go to catch-up reads
  std::vector<Event> events;  // by revision, then by the order inside the revision
};

}  // namespace regent::storage
