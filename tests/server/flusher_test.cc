// When the store is flushed, and the log with it freed.
#include "server/node/flusher.h"

#include <gtest/gtest.h>

#include "tests/server/virtual_node.h"

namespace regent::server {
namespace {

using std::chrono::seconds;

class FlusherTest : public ::testing::Test {
 protected:
  void Start(uint64_t entries_max) {
    VirtualNode::Setup setup;
    setup.options.flush_entries_max = entries_max;
    node_ = std::make_unique<VirtualNode>(disk_, std::move(setup));
  }
  void Put(int count) {
    for (int i = 0; i < count; ++i) {
      node_->node().Propose(api::PutRequest{.key = "key", .value = "value"}, MonotonicTime::max(),
                            [](const absl::StatusOr<api::WriteResult>& result) { EXPECT_TRUE(result.ok()); });
    }
    node_->RunFor(std::chrono::milliseconds(100));
  }
  bool AllFlushed() const { return *node_->state_machine().PersistedApplied() == node_->state_machine().applied(); }

  regent::testing::MemoryDisk disk_;
  std::unique_ptr<VirtualNode> node_;
};

TEST_F(FlusherTest, WithoutALimitOnEntriesAMinutePasses) {
  Start(0);
  Put(500);
  node_->RunFor(seconds(50));
  EXPECT_FALSE(AllFlushed());
  node_->RunFor(seconds(20));
  EXPECT_TRUE(AllFlushed());
}

TEST_F(FlusherTest, MoreEntriesThanTheLimitAreFlushedAtTheNextLook) {
  Start(100);
  Put(50);
  node_->RunFor(seconds(11));
  EXPECT_FALSE(AllFlushed());
  Put(60);
  node_->RunFor(seconds(6));
  EXPECT_TRUE(AllFlushed());
  Put(50);
  node_->RunFor(seconds(11));
  EXPECT_FALSE(AllFlushed()) << "the count begins anew";
}

}  // namespace
}  // namespace regent::server
