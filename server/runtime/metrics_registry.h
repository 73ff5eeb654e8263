// Kinds of metrics and the registry that writes them down in Prometheus' text format.
//
// Threads: every function of a metric may be called from any thread; a Counter, Gauge or Histogram is a few atomics and
// takes no lock. Family::With takes a lock to find its member: callers on a hot path look up once and keep the
// reference. A scrape reads without stopping anybody, so a histogram's sum and its buckets may differ by observations
// under way; within one scrape the buckets always add up to the count.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/runtime/mutex.h"

namespace regent::server {

class Counter {
 public:
  static constexpr std::string_view kType = "counter";
  void Increment(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  static constexpr std::string_view kType = "gauge";
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// A counter of seconds: what cannot be counted in whole numbers but only grows.
class DoubleCounter : public Gauge {
 public:
  static constexpr std::string_view kType = "counter";
};

// Upper bounds of a histogram: start, start × factor, … (`count` of them), and infinity.
struct Buckets {
  double start = 0;
  double factor = 2;
  int count = 0;
};

class Histogram {
 public:
  static constexpr std::string_view kType = "histogram";
  explicit Histogram(Buckets buckets);
  explicit Histogram(std::vector<double> upper_bounds);  // ascending
  void Observe(double value, uint64_t times = 1);
  void Observe(std::chrono::steady_clock::duration duration, uint64_t times = 1) {
    Observe(std::chrono::duration<double>(duration).count(), times);
  }

  const std::vector<double>& upper_bounds() const { return upper_bounds_; }
  uint64_t bucket(size_t index) const { return counts_[index].load(std::memory_order_relaxed); }  // not cumulative
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> upper_bounds_;                 // ascending, without infinity
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;  // one for each bound and one for infinity
  std::atomic<double> sum_{0};
};

// One metric with its name, as the registry sees it. Names, help and label names are literals: they live for ever.
class NamedMetric {
 public:
  NamedMetric(const char* name, const char* help) : name_(name), help_(help) {}
  NamedMetric(const NamedMetric&) = delete;
  NamedMetric& operator=(const NamedMetric&) = delete;
  virtual ~NamedMetric() = default;
  virtual void AppendText(std::string& out) const = 0;
  std::string_view name() const { return name_; }

 protected:
  void AppendHeading(std::string_view type, std::string& out) const;

 private:
  const char* name_;
  const char* help_;
};

class MetricsRegistry {
 public:
  // A metric registers itself and must live as long as the registry is scraped.
  void Register(const NamedMetric* metric);

  // `hook` runs before every scrape, on the scraping thread: it sets gauges that are computed on demand.
  void BeforeScrape(std::function<void()> hook);

  // The text exposition (version 0.0.4) of all metrics, sorted by name.
  std::string Text() const;

 private:
  mutable Mutex mutex_;
  std::vector<const NamedMetric*> metrics_ ABSL_GUARDED_BY(mutex_);  // sorted by name
  std::deque<std::function<void()>> hooks_ ABSL_GUARDED_BY(mutex_);  // only grows: an element's address stays
};

// A metric without labels: `Single<Counter> puts{registry, "name", "help"}`.
template <typename T>
class Single final : public T, public NamedMetric {
 public:
  template <typename... Args>
  Single(MetricsRegistry& registry, const char* name, const char* help, Args... args)
      : T(args...), NamedMetric(name, help) {
    registry.Register(this);
  }
  void AppendText(std::string& out) const override;
};

// A metric with labels: `Family<Counter> failures{registry, "name", "help", {"label"}}; failures.With({"value"})`.
// A family without members is left out of the text. Label values must come from a small fixed set.
template <typename T>
class Family final : public NamedMetric {
 public:
  template <typename... Args>
  Family(MetricsRegistry& registry, const char* name, const char* help, std::vector<std::string> labels, Args... args)
      : NamedMetric(name, help), labels_(std::move(labels)), make_([args...] { return std::make_unique<T>(args...); }) {
    registry.Register(this);
  }

  // The member with these label values, one for each label; made at the first call. The reference stays valid.
  T& With(std::initializer_list<std::string_view> values);

  void AppendText(std::string& out) const override;

 private:
  struct Member {
    std::vector<std::string> values;
    std::unique_ptr<T> metric;
  };
  const std::vector<std::string> labels_;
  const std::function<std::unique_ptr<T>()> make_;
  mutable Mutex mutex_;
  std::deque<Member> members_ ABSL_GUARDED_BY(mutex_);  // in the order of their creation
};

// A number as Go's Prometheus library writes it: the shortest text that reads back as the same double.
std::string FormatMetricValue(double value);

extern template class Single<Counter>;
extern template class Single<Gauge>;
extern template class Single<DoubleCounter>;
extern template class Single<Histogram>;
extern template class Family<Counter>;
extern template class Family<Gauge>;
extern template class Family<Histogram>;

}  // namespace regent::server
