#include "server/node/watch_matcher.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/node/wanted_keys.h"

namespace regent::server {
namespace {

std::string RandomKey(std::mt19937& random) {
  std::string key;
  const size_t size = 1 + random() % 3;
  for (size_t i = 0; i < size; ++i) key += static_cast<char>('a' + random() % 4);
  return key;
}

WatchInterest RandomInterest(std::mt19937& random) {
  WatchInterest interest{.key = RandomKey(random), .range_end = "", .prev_kv = random() % 2 == 0};
  switch (random() % 4) {
    case 0:
      break;
    case 1:
      interest.range_end = std::string(api::kFromKey);
      break;
    case 2:
      interest.range_end = api::PrefixEnd(interest.key);
      break;
    default:
      interest.range_end = RandomKey(random);
      if (api::RangeIsEmpty(interest.key, interest.range_end)) std::swap(interest.key, interest.range_end);
      if (api::RangeIsEmpty(interest.key, interest.range_end)) interest.range_end += 'a';
  }
  return interest;
}

TEST(WatchMatcher, FindsExactlyTheWatchersWhoseRangeHoldsTheKeyWhileWatchersComeAndGo) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    WatchMatcher matcher;
    WantedKeysPublisher wanted;
    std::vector<std::unique_ptr<Watcher>> watchers;
    for (int step = 0; step < 600; ++step) {
      if (watchers.empty() || random() % 5 < 3) {
        watchers.push_back(std::make_unique<Watcher>());
        watchers.back()->serial = static_cast<uint64_t>(step);
        watchers.back()->interest = RandomInterest(random);
        matcher.Add(*watchers.back());
        wanted.Add(watchers.back()->interest);
      } else {
        const size_t victim = random() % watchers.size();
        matcher.Remove(*watchers[victim]);
        wanted.Remove(watchers[victim]->interest);
        watchers.erase(watchers.begin() + static_cast<std::ptrdiff_t>(victim));
      }
      ASSERT_EQ(matcher.size(), watchers.size());
      wanted.Publish();
      const std::string key = RandomKey(random);
      std::vector<uint64_t> expected, found;
      bool previous = false;
      for (const auto& watcher : watchers) {
        if (!watcher->interest.Covers(key)) continue;
        expected.push_back(watcher->serial);
        previous = previous || watcher->interest.prev_kv;
      }
      matcher.Match(key, [&](Watcher& watcher) { found.push_back(watcher.serial); });
      std::sort(expected.begin(), expected.end());
      std::sort(found.begin(), found.end());
      ASSERT_EQ(found, expected) << "seed " << seed << " step " << step << " key " << key;
      ASSERT_EQ(wanted.published()->Contains(key), previous) << "seed " << seed << " step " << step << " key " << key;
    }
  }
}

}  // namespace
}  // namespace regent::server
