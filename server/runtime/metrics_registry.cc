#include "server/runtime/metrics_registry.h"

#include <glog/logging.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace regent::server {

Histogram::Histogram(Buckets buckets) {
  CHECK(buckets.start > 0 && buckets.factor > 1 && buckets.count > 0) << buckets.start << " × " << buckets.factor;
  double bound = buckets.start;
  for (int i = 0; i < buckets.count; ++i, bound *= buckets.factor) upper_bounds_.push_back(bound);
  counts_ = std::make_unique<std::atomic<uint64_t>[]>(upper_bounds_.size() + 1);
}

Histogram::Histogram(std::vector<double> upper_bounds) : upper_bounds_(std::move(upper_bounds)) {
  CHECK(std::is_sorted(upper_bounds_.begin(), upper_bounds_.end())) << upper_bounds_.size() << " bounds";
  counts_ = std::make_unique<std::atomic<uint64_t>[]>(upper_bounds_.size() + 1);
}

void Histogram::Observe(double value, uint64_t times) {
  const auto bound = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value);
  counts_[static_cast<size_t>(bound - upper_bounds_.begin())].fetch_add(times, std::memory_order_relaxed);
  sum_.fetch_add(value * static_cast<double>(times), std::memory_order_relaxed);
}

std::string FormatMetricValue(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == 0) return "0";
  char buffer[64];
  const std::to_chars_result result =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view scientific(buffer, static_cast<size_t>(result.ptr - buffer));
  const int exponent = std::stoi(std::string(scientific.substr(scientific.find('e') + 1)));
  // Go's shortest %g: whole numbers, too, turn to the scientific form at 1e+06.
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  const std::to_chars_result fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return std::string(buffer, fixed.ptr);
}

namespace {

void AppendEscaped(std::string_view text, bool quotes_too, std::string& out) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes_too) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

// "a="1",b="2"", without braces; empty without labels.
std::string LabelText(const std::vector<std::string>& names, const std::vector<std::string>& values) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ',';
    out += names[i];
    out += "=\"";
    AppendEscaped(values[i], /*quotes_too=*/true, out);
    out += '"';
  }
  return out;
}

void AppendSample(std::string_view name, std::string_view labels, std::string_view value, std::string& out) {
  out += name;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

void AppendValue(std::string_view name, const std::string& labels, const Counter& counter, std::string& out) {
  AppendSample(name, labels, FormatMetricValue(static_cast<double>(counter.value())), out);
}

void AppendValue(std::string_view name, const std::string& labels, const Gauge& gauge, std::string& out) {
  AppendSample(name, labels, FormatMetricValue(gauge.value()), out);
}

void AppendValue(std::string_view name, const std::string& labels, const Histogram& histogram, std::string& out) {
  const std::string bucket_name = std::string(name) + "_bucket";
  const std::string prefix = labels.empty() ? labels : labels + ",";
  const std::vector<double>& bounds = histogram.upper_bounds();
  uint64_t cumulative = 0;
  for (size_t i = 0; i <= bounds.size(); ++i) {
    cumulative += histogram.bucket(i);
    const std::string bound = i == bounds.size() ? "+Inf" : FormatMetricValue(bounds[i]);
    AppendSample(bucket_name, prefix + "le=\"" + bound + "\"", FormatMetricValue(static_cast<double>(cumulative)), out);
  }
  AppendSample(std::string(name) + "_sum", labels, FormatMetricValue(histogram.sum()), out);
  AppendSample(std::string(name) + "_count", labels, FormatMetricValue(static_cast<double>(cumulative)), out);
}

}  // namespace

void NamedMetric::AppendHeading(std::string_view type, std::string& out) const {
  out += "# HELP ";
  out += name_;
  out += ' ';
  AppendEscaped(help_, /*quotes_too=*/false, out);
  out += "\n# TYPE ";
  out += name_;
  out += ' ';
  out += type;
  out += '\n';
}

template <typename T>
void Single<T>::AppendText(std::string& out) const {
  AppendHeading(T::kType, out);
  AppendValue(name(), "", *this, out);
}

template <typename T>
T& Family<T>::With(std::initializer_list<std::string_view> values) {
  CHECK_EQ(values.size(), labels_.size()) << name();
  const MutexLock lock(mutex_);
  for (const Member& member : members_) {
    if (std::equal(values.begin(), values.end(), member.values.begin())) return *member.metric;
  }
  members_.push_back(Member{std::vector<std::string>(values.begin(), values.end()), make_()});
  return *members_.back().metric;
}

template <typename T>
void Family<T>::AppendText(std::string& out) const {
  std::vector<std::pair<std::string, const T*>> sorted;
  {
    const MutexLock lock(mutex_);
    for (const Member& member : members_) sorted.emplace_back(LabelText(labels_, member.values), member.metric.get());
  }
  if (sorted.empty()) return;
  std::sort(sorted.begin(), sorted.end());
  AppendHeading(T::kType, out);
  for (const auto& [labels, metric] : sorted) AppendValue(name(), labels, *metric, out);
}

void MetricsRegistry::Register(const NamedMetric* metric) {
  const MutexLock lock(mutex_);
  const auto by_name = [](const NamedMetric* a, const NamedMetric* b) { return a->name() < b->name(); };
  const auto at = std::lower_bound(metrics_.begin(), metrics_.end(), metric, by_name);
  CHECK(at == metrics_.end() || (*at)->name() != metric->name()) << "defined twice: " << metric->name();
  metrics_.insert(at, metric);
}

void MetricsRegistry::BeforeScrape(std::function<void()> hook) {
  const MutexLock lock(mutex_);
  hooks_.push_back(std::move(hook));
}

std::string MetricsRegistry::Text() const {
  std::vector<const NamedMetric*> metrics;
  std::vector<const std::function<void()>*> hooks;
  {
    const MutexLock lock(mutex_);
    metrics = metrics_;
    for (const std::function<void()>& hook : hooks_) hooks.push_back(&hook);
  }
  for (const std::function<void()>* hook : hooks) (*hook)();
  std::string out;
  for (const NamedMetric* metric : metrics) metric->AppendText(out);
  return out;
}

template class Single<Counter>;
template class Single<Gauge>;
template class Single<DoubleCounter>;
template class Single<Histogram>;
template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

}  // namespace regent::server
