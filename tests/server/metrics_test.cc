// The registry's text, and the table against the names, kinds and buckets that etcd's users rely on.
#include "server/runtime/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "server/runtime/metrics_process.h"

namespace regent::server {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, NumbersLookAsGoWritesThem) {
  EXPECT_EQ(FormatMetricValue(0), "0");
  EXPECT_EQ(FormatMetricValue(1), "1");
  EXPECT_EQ(FormatMetricValue(-1), "-1");
  EXPECT_EQ(FormatMetricValue(0.001), "0.001");
  EXPECT_EQ(FormatMetricValue(0.0001), "0.0001");
  EXPECT_EQ(FormatMetricValue(6.6e-05), "6.6e-05");
  EXPECT_EQ(FormatMetricValue(8.192), "8.192");
  EXPECT_EQ(FormatMetricValue(0.688220164), "0.688220164");
  EXPECT_EQ(FormatMetricValue(999999), "999999");
  EXPECT_EQ(FormatMetricValue(1000000), "1e+06");
  EXPECT_EQ(FormatMetricValue(2147483648.0), "2.147483648e+09");
  EXPECT_EQ(FormatMetricValue(18446744073709551615.0), "1.8446744073709552e+19");
  EXPECT_EQ(FormatMetricValue(819200), "819200");
  EXPECT_EQ(FormatMetricValue(1.6777216e7), "1.6777216e+07");
}

TEST(MetricsTest, AHistogramIsCumulativeAndItsBoundsAreInclusive) {
  MetricsRegistry registry;
  Single<Histogram> histogram{registry, "h", "Help.", Buckets{0.5, 2, 3}};
  histogram.Observe(0.1);
  histogram.Observe(0.5);  // belongs to le="0.5"
  histogram.Observe(1.5);
  histogram.Observe(100);
  EXPECT_EQ(registry.Text(),
            "# HELP h Help.\n# TYPE h histogram\n"
            "h_bucket{le=\"0.5\"} 2\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 4\n"
            "h_sum 102.1\nh_count 4\n");
}

TEST(MetricsTest, AFamilyIsAbsentUntilItHasAMemberAndThenSorted) {
  MetricsRegistry registry;
  Family<Counter> family{registry, "f_total", "Line one.\nA back\\slash.", {"a", "b"}};
  EXPECT_EQ(registry.Text(), "");
  family.With({"z", "2"}).Increment(3);
  family.With({"a", "quote\"\n"});
  EXPECT_EQ(&family.With({"z", "2"}), &family.With({"z", "2"}));
  EXPECT_EQ(registry.Text(),
            "# HELP f_total Line one.\\nA back\\\\slash.\n# TYPE f_total counter\n"
            "f_total{a=\"a\",b=\"quote\\\"\\n\"} 0\nf_total{a=\"z\",b=\"2\"} 3\n");
}

TEST(MetricsTest, HooksRunBeforeEachScrape) {
  MetricsRegistry registry;
  Single<Gauge> gauge{registry, "g", "Help."};
  registry.BeforeScrape([&gauge] { gauge.Add(1); });
  EXPECT_THAT(registry.Text(), HasSubstr("\ng 1\n"));
  EXPECT_THAT(registry.Text(), HasSubstr("\ng 2\n"));
}

TEST(MetricsTest, NothingIsLostWhenManyThreadsCount) {
  MetricsRegistry registry;
  Family<Counter> family{registry, "f_total", "Help.", {"thread"}};
  Single<Histogram> histogram{registry, "h", "Help.", Buckets{1, 2, 4}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) {
        family.With({n % 2 == 0 ? "even" : "odd"}).Increment();
        histogram.Observe(n % 7);
        if (n % 1000 == 0) (void)registry.Text();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(family.With({"even"}).value(), 20'000u);
  EXPECT_EQ(family.With({"odd"}).value(), 20'000u);
  EXPECT_THAT(registry.Text(), HasSubstr("h_count 40000\n"));
}

TEST(MetricsDeathTest, ANameIsDefinedOnce) {
  MetricsRegistry registry;
  const Single<Counter> first{registry, "same", "Help."};
  EXPECT_DEATH(Single<Counter>(registry, "same", "Help."), "defined twice: same");
}

// What a fresh etcd shows: names with kind, histograms with first bound, factor and number of bounds.
struct Expected {
  const char* name;
  const char* type;
  Buckets buckets;
};
constexpr Expected kShownByEtcd[] = {
#include "tests/server/metrics_expected.inc"
};

TEST(MetricsTest, TheTableHoldsEveryMetricOfEtcdWithItsKindAndBuckets) {
  Metrics metrics;
  const std::string text = metrics.registry.Text();
  for (const Expected& expected : kShownByEtcd) {
    const std::string name = expected.name;
    EXPECT_THAT(text, HasSubstr("# TYPE " + name + " " + expected.type + "\n"));
    double bound = expected.buckets.start;
    for (int i = 0; i < expected.buckets.count; ++i, bound *= expected.buckets.factor) {
      EXPECT_THAT(text, HasSubstr("\n" + name + "_bucket{le=\"" + FormatMetricValue(bound) + "\"} 0\n"));
    }
    if (expected.buckets.count > 0) {
      EXPECT_THAT(text, Not(HasSubstr(name + "_bucket{le=\"" + FormatMetricValue(bound) + "\"}"))) << "too many bounds";
    }
  }
}

TEST(MetricsTest, TheProcessIsMeasuredAtEachScrape) {
  Metrics metrics;
  CollectProcessMetrics(metrics);
  const std::string text = metrics.registry.Text();
  for (const char* name : {"process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds",
                           "process_max_fds", "process_start_time_seconds", "os_fd_used", "os_fd_limit"}) {
    EXPECT_THAT(text, ContainsRegex("\n" + std::string(name) + " [1-9]"));
  }
  EXPECT_GT(metrics.process_start_time_seconds.value(), 1.6e9);  // seconds since 1970, not since the boot
}

}  // namespace
}  // namespace regent::server
