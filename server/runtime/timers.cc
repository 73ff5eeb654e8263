#include "server/runtime/timers.h"

namespace regent::server {

Loop::TimerId Timers::Add(MonotonicTime due, Loop::Task task) {
  const uint64_t id = ++last_id_;
  tasks_.emplace(Key(due, id), std::move(task));
  due_.emplace(id, due);
  return Loop::TimerId{id};
}

std::optional<Loop::Task> Timers::Remove(Loop::TimerId id) {
  const auto due = due_.find(static_cast<uint64_t>(id));
  if (due == due_.end()) return std::nullopt;
  auto node = tasks_.extract(Key(due->second, due->first));
  due_.erase(due);
  return std::move(node.mapped());
}

std::optional<Loop::Task> Timers::TakeDue(MonotonicTime now) {
  if (tasks_.empty() || tasks_.begin()->first.first > now) return std::nullopt;
  auto node = tasks_.extract(tasks_.begin());
  due_.erase(node.key().second);
  return std::move(node.mapped());
}

}  // namespace regent::server
