#include "tests/crashpoints/checks.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/contract/errors.h"
#include "api/contract/wire.h"
#include "storage/quota.h"

namespace regent::crashpoints {
namespace {

const std::string kFirstKey(1, '\0');
const std::string kEveryKey(1, '\0');
constexpr size_t kAllBytes = size_t{1} << 30;
constexpr size_t kSliceRows = 64;  // of catch-up reads: several slices

std::string BytesOf(const api::KeyValueList& list) {
  std::string bytes;
  for (const std::string& chunk : list.chunks()) bytes += chunk;
  return bytes;
}

class StateCheck {
 public:
  StateCheck(const storage::StateMachine& machine, const History& history, uint64_t index, Moment moment,
             const Report& report)
      : machine_(machine),
        history_(history),
        state_(history.At(index)),
        view_(machine.view()),
        words_(absl::StrCat("at entry ", index, moment == Moment::kFound ? ", before the replay: " : ", replayed: ")),
        found_(moment == Moment::kFound),
        report_(report) {}

  void Counters() {
    if (view_->revision().value != state_.revision) {
      report_("RK-09", absl::StrCat(words_, "revision ", view_->revision().value, ", not ", state_.revision));
    }
    Equal("digest", machine_.digest(), state_.digest);
    Equal("compacted revision", view_->compacted().value, state_.compacted);
    Equal("logical size", view_->logical_size(), state_.size);
    if (LeasesOf(machine_) != *state_.leases) Wrong("leases or their keys");
    if (machine_.Alarms() != state_.alarms) Wrong("alarms");
  }

  void RangeAt(const std::string& key, const std::string& range_end, int64_t revision) {
    const absl::StatusOr<api::RangeResult> result =
        view_->Range({.key = key, .range_end = range_end, .revision = {revision}});
    const int64_t at = revision == 0 ? state_.revision : revision;
    if (!result.ok()) return Wrong(absl::StrCat("a read at revision ", at, ": ", result.status().ToString()));
    const auto [bytes, count] = history_.RangeAt(key, range_end, at);
    if (BytesOf(result->kvs) != bytes) Wrong(absl::StrCat("the keys or values at revision ", at));
    Equal(absl::StrCat("count at revision ", at), result->count, count);
    // The count of a page comes from counters and events instead of a walk.
    const absl::StatusOr<api::RangeResult> page =
        view_->Range({.key = key, .range_end = range_end, .limit = 1, .revision = {revision}});
    if (!page.ok()) return Wrong("a page: " + page.status().ToString());
    Equal(absl::StrCat("count of a page at revision ", at), page->count, count);
  }

  // Reads below the compacted revision are refused.
  void Refusals() {
    if (state_.compacted < 2) return;
    const absl::StatusOr<api::RangeResult> result =
        view_->Range({.key = kFirstKey, .range_end = kEveryKey, .revision = {state_.compacted - 1}});
    if (result.status() != api::ErrCompacted()) Wrong("a read below the compacted revision is answered");
  }

  // From the compacted revision on, all of them.
  void Events() {
    const int64_t from = std::max<int64_t>(1, state_.compacted);
    std::vector<storage::Event> read;
    for (int64_t next = from; next <= state_.revision;) {
      const absl::StatusOr<storage::EventSlice> slice = view_->Events(kFirstKey, kEveryKey, {next}, true, kSliceRows);
      if (!slice.ok()) return report_("RK-11", words_ + "events: " + slice.status().ToString());
      if (slice->events != nullptr) {
        read.insert(read.end(), slice->events->events.begin(), slice->events->events.end());
      }
      if (slice->next.value <= next) break;  // the view ends early: what is missing is reported below
      next = slice->next.value;
    }
    auto event = read.begin();
    const std::vector<storage::Event>& all = history_.events();
    for (size_t i = history_.FirstEventAt(from); i < all.size() && all[i].revision.value <= state_.revision; ++i) {
      if (event != read.end() && Same(*event, all[i])) {
        ++event;
      } else if (!Superseded(i)) {
        return report_("RK-11", absl::StrCat(words_, "the event of ", all[i].key, " at revision ",
                                             all[i].revision.value, " is missing or wrong; compacted is ", from));
      }
    }
    if (event != read.end()) {
      report_("RK-11", absl::StrCat(words_, "an event at revision ", event->revision.value, " never happened"));
    }
  }

 private:
  void Wrong(const std::string& what) {
    if (found_) report_("RK-01", words_ + what);
    report_(found_ ? "RK-68" : "RK-03", words_ + what);
  }
  template <typename Number>
  void Equal(const std::string& what, Number found, Number expected) {
    if (found != expected) Wrong(absl::StrCat(what, " is ", found, ", not ", expected));
  }

  // The value before an event is left out when the revision before the event is compacted.
  bool Same(const storage::Event& found, const storage::Event& expected) const {
    return found.revision == expected.revision && found.type == expected.type && found.key == expected.key &&
           found.rest == expected.rest && found.created == expected.created &&
           (expected.revision.value - 1 < state_.compacted ? !found.previous.has_value()
                                                           : found.previous == expected.previous);
  }
  // A put at the compacted revision that a later operation of the same revision replaced may be purged.
  bool Superseded(size_t position) const {
    const std::vector<storage::Event>& all = history_.events();
    const storage::Event& event = all[position];
    if (event.revision.value != state_.compacted || event.type != storage::Event::Type::kPut) return false;
    for (size_t i = position + 1; i < all.size() && all[i].revision == event.revision; ++i) {
      if (all[i].key == event.key) return true;
    }
    return false;
  }

  const storage::StateMachine& machine_;
  const History& history_;
  const StateAt& state_;
  const std::shared_ptr<const storage::View> view_;
  const std::string words_;
  const bool found_;
  const Report& report_;
};

}  // namespace

uint64_t CheckLog(Life& life, const History& history, const Promised& promised, const Report& report) {
  const storage::RecoveredLog& recovered = life.recovered();
  const auto lost = [&](const std::string& what) { report(promised.log_names_lost ? "RK-63" : "RK-02", what); };
  const uint64_t base = recovered.base_index.value;
  const uint64_t last = recovered.last_index.value;
  // What is released is in the store, and checked there.
  uint64_t through = promised.resumed ? std::min(base, promised.index) : base;
  std::vector<raft::Entry> entries;
  if (last > base) {
    absl::StatusOr<std::vector<raft::Entry>> read = life.log().Read({base + 1}, kAllBytes);
    if (!read.ok()) {
      lost("the log cannot be read: " + read.status().ToString());
      return through;
    }
    entries = *std::move(read);
  }
  bool ours = true;
  for (const raft::Entry& entry : entries) {
    ours = ours && entry.index.value <= history.last_index() && entry == history.EntryAt(entry.index.value);
    if (ours) {
      through = entry.index.value;
    } else if (!entry.data.empty()) {
      lost(absl::StrCat("entry ", entry.index.value, " is not what was appended"));
      break;
    }
  }
  if (through < promised.index) {
    lost(absl::StrCat("the log ends with entry ", through, ", acknowledged were those up to ", promised.index));
  }
  if (recovered.hard_state.term.value < promised.term) {
    report("RK-02", absl::StrCat("term ", recovered.hard_state.term.value, ", saved was ", promised.term));
  }
  return through;
}

void CheckState(const storage::StateMachine& machine, const History& history, uint64_t index, Moment moment,
                std::mt19937_64& random, const Report& report) {
  if (index > history.last_index()) return report("RK-01", absl::StrCat("the store has applied entry ", index));
  StateCheck check(machine, history, index, moment, report);
  check.Counters();
  check.RangeAt(kFirstKey, kEveryKey, 0);
  const StateAt& state = history.At(index);
  const int64_t oldest = std::max<int64_t>(1, state.compacted);
  check.RangeAt(kFirstKey, kEveryKey, oldest);
  const int64_t some = oldest + static_cast<int64_t>(random() % static_cast<uint64_t>(state.revision - oldest + 1));
  check.RangeAt("k1", "large/3", some);
  check.Refusals();
  check.Events();
}

void CheckPurged(Life& life, const Report& report) {
  storage::StateMachine& machine = life.machine();
  while (machine.PlanPurge(*machine.view(), 1).has_value()) life.RunFor(std::chrono::milliseconds(3));
  const int64_t rows = life.VersionRowsWeight() + storage::kLeaseBytes * static_cast<int64_t>(machine.Leases().size());
  const int64_t counted = machine.view()->logical_size();
  if (rows != counted) report("RK-03", absl::StrCat("purged, the rows weigh ", rows, ", the size is ", counted));
}

std::string Everything(const storage::StateMachine& machine) {
  const std::shared_ptr<const storage::View> view = machine.view();
  std::string text = absl::StrCat(view->revision().value, " ", view->compacted().value, " ", view->logical_size(), " ",
                                  machine.digest(), "\n");
  const absl::StatusOr<api::RangeResult> all = view->Range({.key = kFirstKey, .range_end = kEveryKey});
  absl::StrAppend(&text, all.ok() ? BytesOf(all->kvs) : all.status().ToString(), "\n");
  for (const auto& [id, lease] : LeasesOf(machine)) {
    absl::StrAppend(&text, id, " ", lease.ttl);
    for (const std::string& key : lease.keys) absl::StrAppend(&text, " ", key);
  }
  return text;
}

}  // namespace regent::crashpoints
