#include "server/node/watch_events.h"

#include "api/contract/wire.h"

namespace regent::server {

api::SharedBytes EncodeEvent(const storage::Event& event, bool prev_kv) {
  const api::EventType type = event.type == storage::Event::Type::kPut ? api::EventType::kPut : api::EventType::kDelete;
  std::optional<std::string_view> previous;
  if (prev_kv && event.previous.has_value()) previous = *event.previous;
  return std::make_shared<const std::string>(api::EncodeWatchEvent(type, event.key, event.rest, previous));
}

size_t WatchEvents::size_bytes() const {
  size_t bytes = 0;
  for (const storage::Event& event : batch_->events) {
    bytes += event.key.size() + event.rest.size() + (event.previous.has_value() ? event.previous->size() : 0);
  }
  return bytes;
}

const api::SharedBytes& WatchEvents::Encoded(size_t position, bool prev_kv) {
  const storage::Event& event = batch_->events[position];
  Forms& forms = encoded_[position];
  api::SharedBytes& form = prev_kv && event.previous.has_value() ? forms.with_previous : forms.plain;
  if (form == nullptr) form = EncodeEvent(event, prev_kv);
  return form;
}

void RecentEvents::Add(std::shared_ptr<WatchEvents> events) {
  if (events->batch().too_large) {
    batches_.clear();
    events_ = bytes_ = 0;
    return;
  }
  events_ += events->batch().events.size();
  bytes_ += events->size_bytes();
  batches_.push_back(std::move(events));
  while (events_ > events_max_ || bytes_ > bytes_max_) {
    events_ -= batches_.front()->batch().events.size();
    bytes_ -= batches_.front()->size_bytes();
    batches_.pop_front();
  }
}

bool RecentEvents::Cover(api::Revision from) const {
  return !batches_.empty() && batches_.front()->batch().first <= from;
}

bool RecentEvents::Collect(const WatchInterest& interest, api::Revision from, api::Revision compacted,
                           std::vector<ReadyEvent>& into) const {
  for (const std::shared_ptr<WatchEvents>& events : batches_) {
    const storage::EventBatch& batch = events->batch();
    if (batch.last < from) continue;
    for (size_t i = 0; i < batch.events.size(); ++i) {
      const storage::Event& event = batch.events[i];
      if (event.revision < from || !interest.Wants(event) || !interest.Covers(event.key)) continue;
      const bool prev_kv = interest.prev_kv && event.revision > compacted;
      if (prev_kv && !WatchEvents::PreviousKnown(event)) return false;
      into.push_back({event.revision, events->Encoded(i, prev_kv)});
    }
  }
  return true;
}

}  // namespace regent::server
