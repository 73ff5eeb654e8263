#include "server/rpc/byte_queue.h"

#include <array>
#include <memory>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace regent::server {
namespace {

std::string Contents(const ByteQueue& queue) {
  std::array<iovec, 1000> places;
  std::string contents;
  for (size_t i = 0, count = queue.Gather(places); i < count; ++i) {
    contents.append(static_cast<const char*>(places[i].iov_base), places[i].iov_len);
  }
  return contents;
}

// Against a plain string: short and long pieces, appended, moved on, dropped and truncated in any order.
TEST(ByteQueueTest, IsAStringInPieces) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](size_t bound) { return random() % bound; };
    ByteQueue queue, next;
    std::string in_queue, in_next;
    for (int step = 0; step < 300; ++step) {
      const size_t size = below(3) == 0 ? below(100'000) : below(100);
      const std::string bytes(size, static_cast<char>('a' + below(26)));
      switch (below(8)) {
        case 0:
        case 1:
          queue.Append(bytes);
          in_queue += bytes;
          break;
        case 2:
        case 3:
          queue.Append(std::make_shared<const std::string>(bytes));
          in_queue += bytes;
          break;
        case 4:
        case 5: {
          const size_t moved = std::min(size, in_queue.size());
          queue.MoveTo(moved, next);
          in_next += in_queue.substr(0, moved);
          in_queue.erase(0, moved);
          break;
        }
        case 6: {
          const size_t dropped = std::min(size, in_next.size());
          next.Drop(dropped);
          in_next.erase(0, dropped);
          break;
        }
        default:
          if (below(20) == 0) {  // nothing is added behind it until it is empty
            in_queue.resize(std::min(size, in_queue.size()));
            queue.Truncate(in_queue.size());
            queue.Drop(in_queue.size());
            in_queue.clear();
          }
      }
      ASSERT_EQ(queue.size_bytes(), in_queue.size()) << "seed " << seed << " step " << step;
      ASSERT_EQ(next.size_bytes(), in_next.size()) << "seed " << seed << " step " << step;
      if (step % 10 == 0) {
        ASSERT_EQ(Contents(queue), in_queue) << "seed " << seed << " step " << step;
        ASSERT_EQ(Contents(next), in_next) << "seed " << seed << " step " << step;
      }
    }
  }
}

TEST(ByteQueueTest, LongPiecesAreSharedAndLetGo) {
  const auto piece = std::make_shared<const std::string>(10'000, 'x');
  ByteQueue queue, next;
  queue.Append(piece);
  queue.MoveTo(5'000, next);
  std::array<iovec, 2> places;
  ASSERT_EQ(next.Gather(places), 1u);
  EXPECT_EQ(places[0].iov_base, piece->data());
  queue.MoveTo(5'000, next);
  EXPECT_EQ(piece.use_count(), 3);
  next.Drop(10'000);
  EXPECT_EQ(piece.use_count(), 1);
}

TEST(ByteQueueTest, WhatIsTruncatedIsTheEnd) {
  ByteQueue queue;
  queue.Append("head");
  queue.Append(std::make_shared<const std::string>(5'000, 'x'));
  queue.Drop(2);
  queue.Truncate(10);
  EXPECT_EQ(queue.size_bytes(), 10u);
  ByteQueue next;
  queue.MoveTo(10, next);
  EXPECT_EQ(Contents(next), "adxxxxxxxx");
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace regent::server
