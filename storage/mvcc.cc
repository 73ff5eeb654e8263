#include "storage/mvcc.h"

#include <utility>

#include "api/contract/key_range.h"
#include "api/contract/wire.h"
#include "glog/logging.h"

namespace regent::storage {
namespace {

// Keys read before their changes are made: the changes of a page never disturb the iterator that found it.
constexpr size_t kPageKeys = 1000;
constexpr size_t kPageBytes = 4 << 20;

Counters LoadCounters(const Engine& engine) {
  std::string row;
  return engine.Get(kCountersRow, &row) ? DecodeCounters(row) : Counters{};
}

Head HeadOf(std::string_view key, Position position, std::string rest) {
  Head head;
  if (rest.empty()) return head;
  const absl::StatusOr<api::KeyValueRest> kv = api::DecodeKeyValueRest(rest);
  CHECK(kv.ok()) << kv.status() << " at revision " << position.revision << "/" << position.sub;
  head.live = true;
  head.position = position;
  head.create_revision = kv->create_revision.value;
  head.version = kv->version;
  head.lease = kv->lease.value;
  head.weight = VersionWeight(key.size(), rest.size());
  head.rest_known = true;
  head.rest = std::move(rest);
  return head;
}

}  // namespace

Mvcc::Mvcc(Engine& engine, const StateMachineOptions& options)
    : engine_(engine),
      options_(options),
      counters_(LoadCounters(engine)),
      leases_(engine),
      counts_(KeyCounts::Load(engine)),
      heads_(options.head_cache_bytes_max),
      overlay_(batch_),
      next_{counters_.revision + 1, 0} {}

void Mvcc::BeginTurn(const WantsPrevious& wants_previous) {
  wants_previous_ = &wants_previous;
  events_ = nullptr;
}

void Mvcc::BeginEntry(EntrySize size, size_t bytes_about) {
  const bool may_overflow = size == EntrySize::kUnknown || batch_.size_bytes() + bytes_about > options_.chunk_bytes_max;
  if (may_overflow && incomplete_) CompleteEntries();
  may_write_in_entry_ = may_overflow;
}

void Mvcc::Put(std::string_view key, std::string_view value, int64_t lease) {
  Head& head = HeadFor(key);
  Head after{.live = true,
             .rest_known = true,
             .position = next_,
             .create_revision = head.live ? head.create_revision : next_.revision,
             .version = head.live ? head.version + 1 : 1,
             .lease = lease};
  after.rest = api::EncodeKeyValueRest({after.create_revision}, {next_.revision}, after.version, value, {lease});
  after.weight = VersionWeight(key.size(), after.rest.size());
  Record(head.live ? EventKind::kUpdate : EventKind::kCreate, key, head, after.rest);
  const int64_t old_lease = head.live ? head.lease : 0;
  if (old_lease != lease) {
    if (old_lease != 0) leases_.Detach(old_lease, key);
    if (lease != 0) leases_.Attach(lease, key);
  }
  if (!head.live) counts_.Created(key);
  head = HeadCache::Keep(std::move(after));
  ++next_.sub;
  WriteBatchIfFull();
}

void Mvcc::Delete(std::string_view key, const Head& head) {
  CHECK(head.live) << "a delete of nothing at revision " << next_.revision;
  Record(EventKind::kDelete, key, head, {});
  if (head.lease != 0) leases_.Detach(head.lease, key);
  counts_.Deleted(key);
  heads_.Set(key, Head{});
  ++next_.sub;
  WriteBatchIfFull();
}

// The two rows of an operation, the sizes and the digest.
void Mvcc::Record(EventKind kind, std::string_view key, const Head& before, std::string_view rest) {
  const int64_t weight = VersionWeight(key.size(), rest.size());
  EventRecord record{
      .kind = kind, .dead_before = counters_.dead, .predecessor = {}, .predecessor_weight = 0, .key = key};
  if (kind != EventKind::kCreate) {
    record.predecessor = before.position;
    record.predecessor_weight = before.weight;
    counters_.dead += before.weight;
  }
  if (kind == EventKind::kDelete) counters_.dead += weight;
  counters_.size += weight;
  batch_.Put(VersionRow(key, next_), rest);
  batch_.Put(EventRow(next_), EncodeEventRecord(next_, record));
  Digest(static_cast<uint64_t>(kind), key, next_.sub);
  counters_.digest = ChainDigest(counters_.digest, rest);
  PostEvent(kind, key, before, rest);
}

void Mvcc::PostEvent(EventKind kind, std::string_view key, const Head& before, std::string_view rest) {
  if (events_ == nullptr) {
    events_ = std::make_shared<EventBatch>();
    events_->first.value = next_.revision;
  }
  if (events_->too_large) return;
  if (next_.sub >= options_.posted_events_max) {
    events_->too_large = true;
    events_->events = {};
    return;
  }
  Event& event = events_->events.emplace_back();
  event.revision.value = next_.revision;
  event.type = kind == EventKind::kDelete ? Event::Type::kDelete : Event::Type::kPut;
  event.key = key;
  event.created = kind == EventKind::kCreate;
  if (kind == EventKind::kDelete) {
    api::AppendInt64(event.rest, 3, next_.revision);
  } else {
    event.rest = rest;
  }
  if (kind == EventKind::kCreate) {
    event.previous_known = true;
  } else if (*wants_previous_ && (*wants_previous_)(key)) {
    event.previous_known = true;
    event.previous = PreviousRest(key, before);
  }
}

// The version at the revision before this one, as etcd has it: what an earlier operation of the same revision wrote is
// not the previous value.
std::optional<std::string> Mvcc::PreviousRest(std::string_view key, const Head& before) {
  if (before.position.revision < next_.revision) return RestOf(key, before);
  const absl::StatusOr<std::optional<Version>> found = FindVersion(rows(), key, Through(next_.revision - 1));
  CHECK(found.ok()) << found.status();
  if (!found->has_value() || (*found)->rest.empty()) return std::nullopt;
  return std::move((*found)->rest);
}

void Mvcc::EndRevision() {
  if (next_.sub == 0) return;
  counters_.revision = next_.revision;
  next_ = Position{next_.revision + 1, 0};
}

void Mvcc::EndEntry(uint64_t index, uint64_t term) {
  EndRevision();
  counters_.applied_index = index;
  counters_.applied_term = term;
  may_write_in_entry_ = false;
  incomplete_ = true;
  if (batch_.size_bytes() >= options_.chunk_bytes_max) {
    CompleteEntries();
    WriteBatch();
  }
}

std::shared_ptr<const EventBatch> Mvcc::EndTurn() {
  CompleteEntries();
  WriteBatch();
  wants_previous_ = nullptr;
  counts_.Balance(RowSource(engine_), newest());
  if (events_ != nullptr) events_->last.value = counters_.revision;
  return std::move(events_);
}

// Adds what makes the entries that have ended whole.
void Mvcc::CompleteEntries() {
  leases_.WriteRows(batch_);
  counts_.WriteRows(batch_);
  batch_.Put(kCountersRow, EncodeCounters(counters_));
  incomplete_ = false;
}

void Mvcc::WriteBatch() {
  written_rows_ = nullptr;
  engine_.Write(batch_);
  batch_.Clear();
  overlay_.Clear();
  leases_.Written();
  heads_.Trim();
}

void Mvcc::WriteBatchIfFull() {
  if (may_write_in_entry_ && batch_.size_bytes() >= options_.chunk_bytes_max) WriteBatch();
}

Head& Mvcc::HeadFor(std::string_view key) {
  if (Head* known = heads_.Find(key)) return *known;
  // Every key of the batch is in the cache, so this one's newest version is in the engine.
  if (written_rows_ == nullptr) written_rows_ = engine_.Iterate(VersionRowsEnd(api::kFromKey), Scope::kOneKey);
  std::optional<Version> found = FindVersion(*written_rows_, key, newest());
  return *heads_.Set(key, found.has_value() ? HeadOf(key, found->position, std::move(found->rest)) : Head{});
}

std::string Mvcc::RestOf(std::string_view key, const Head& head) {
  CHECK(head.live);
  if (head.rest_known) return head.rest;
  std::string rest;
  CHECK(rows().Get(VersionRow(key, head.position), &rest))
      << "the version of revision " << head.position.revision << "/" << head.position.sub << " is missing";
  return rest;
}

void Mvcc::VisitRange(std::string_view key, std::string_view range_end, Visit visit) {
  if (api::RangeIsEmpty(key, range_end)) return;
  const Position through = newest();
  std::string from(key);
  for (bool more = true; more;) {
    std::vector<std::pair<std::string, Head>> page;
    size_t page_bytes = 0;
    {
      absl::StatusOr<VersionCursor> cursor = OpenCursor(rows(), {from, VersionRowsEnd(range_end)}, through);
      CHECK(cursor.ok()) << cursor.status();
      while (page.size() < kPageKeys && page_bytes < kPageBytes && cursor->Next()) {
        if (!cursor->live()) continue;
        std::string found(cursor->key());
        page_bytes += found.size() + cursor->rest().size();
        Head head = HeadOf(found, cursor->position(), std::string(cursor->rest()));
        page.emplace_back(std::move(found), std::move(head));
      }
    }
    more = page.size() == kPageKeys || page_bytes >= kPageBytes;
    for (const auto& [found, head] : page) {
      if (!visit(found, head)) return;
    }
    if (more) from = page.back().first + '\0';
  }
}

absl::StatusOr<api::RangeResult> Mvcc::Range(const api::RangeRequest& request) {
  const RowSource source = rows();
  return ReadRange(
      RangeState{.rows = source, .counts = counts_.tree(), .newest = newest(), .revision = visible_revision()},
      request);
}

RowSource Mvcc::rows() {
  overlay_.Update();
  return RowSource(engine_, &overlay_);
}

void Mvcc::Digest(uint64_t kind, std::string_view bytes, uint64_t number) {
  counters_.digest = ChainDigest(counters_.digest, kind);
  counters_.digest = ChainDigest(counters_.digest, bytes);
  counters_.digest = ChainDigest(counters_.digest, number);
}

}  // namespace regent::storage
