#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "server/runtime/mailbox.h"
#include "server/runtime/pool.h"
#include "server/runtime/thread_loop.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

// Waits for a count without a clock of its own; a test that hangs is ended by the runner.
class Latch {
 public:
  void Arrive() {
    MutexLock lock(mutex_);
    ++count_;
    condition_.NotifyAll();
  }
  void WaitFor(int count) {
    MutexLock lock(mutex_);
    while (count_ < count) condition_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  Condition condition_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST(ThreadLoop, RunsTheTasksOfEachThreadInTheOrderPostedOneAtATime) {
  struct Variant {
    Duration spin_max;
    bool any_thread_helps;
  };
  for (const auto& [spin_max, any_thread_helps] : {Variant{0us, false}, Variant{0us, true}, Variant{100us, false}}) {
    constexpr int kThreads = 4;
    constexpr int kTasks = 5000;
    std::vector<int> next(kThreads, 0);  // touched by the loop alone, without a lock
    int total = 0;
    {
      ThreadLoop loop({.name = "test", .spin_max = spin_max, .any_thread_helps = any_thread_helps});
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < kTasks; ++i) {
            loop.Post([&, t, i] {
              EXPECT_EQ(next[t], i);
              ++next[t];
              ++total;
            });
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      loop.Stop();
    }
    EXPECT_EQ(total, kThreads * kTasks);
  }
}

TEST(ThreadLoop, WakesUpForATaskPostedWhileItSleeps) {
  ThreadLoop loop({.name = "test"});
  for (int i = 0; i < 200; ++i) {
    Latch latch;
    loop.Post([&] { latch.Arrive(); });
    latch.WaitFor(1);
  }
}

std::thread::id ThreadOf(ThreadLoop& loop) {
  std::thread::id id;
  Latch latch;
  loop.PostAfter(0us, [&] {  // timers are the own thread's
    id = std::this_thread::get_id();
    latch.Arrive();
  });
  latch.WaitFor(1);
  return id;
}

// Posts until a task ran on the wanted thread: when the loop has fallen asleep is the scheduler's business.
template <typename RunOnce>
void ExpectRunsOn(std::thread::id wanted, RunOnce run_once) {
  for (int i = 0; i < 1000; ++i) {
    if (run_once() == wanted) return;
    std::this_thread::sleep_for(1ms);
  }
  FAIL() << "no task ran on the wanted thread";
}

TEST(ThreadLoop, ASleepingLoopIsHelpedByWhoeverPosts) {
  ThreadLoop loop({.name = "test", .any_thread_helps = true});
  ExpectRunsOn(std::this_thread::get_id(), [&] {
    std::thread::id ran;
    Latch latch;
    loop.Post([&] {
      ran = std::this_thread::get_id();
      latch.Arrive();
    });
    latch.WaitFor(1);
    return ran;
  });
}

TEST(ThreadLoop, AnIdleHelperRunsWhatItPostsAndABusyOneDoesNot) {
  ThreadLoop helper({.name = "helper"});
  ThreadLoop loop({.name = "test", .helper = &helper});
  const std::thread::id helper_thread = ThreadOf(helper);
  const std::thread::id own_thread = ThreadOf(loop);
  const auto post_through_helper = [&](bool busy) {
    std::thread::id ran;
    Latch latch;
    helper.Post([&] {
      if (busy) helper.Post([] {});
      loop.Post([&] {
        ran = std::this_thread::get_id();
        latch.Arrive();
      });
    });
    latch.WaitFor(1);
    return ran;
  };
  ExpectRunsOn(helper_thread, [&] { return post_through_helper(false); });
  for (int i = 0; i < 200; ++i) EXPECT_EQ(post_through_helper(true), own_thread);
  for (int i = 0; i < 200; ++i) {  // nobody else helps
    std::thread::id ran;
    Latch latch;
    loop.Post([&] {
      ran = std::this_thread::get_id();
      latch.Arrive();
    });
    latch.WaitFor(1);
    EXPECT_EQ(ran, own_thread);
  }
  helper.Stop();  // it may still be inside its last Post to the loop
}

// Three loops that post to each other as the log, the protocol and the store do, with timers beside: every task runs
// once, in order, never two of a loop at a time.
TEST(ThreadLoop, HelpAndTimersLoseNothing) {
  constexpr int kRounds = 20'000;
  int in_raft = 0;
  int raft_runs = 0;
  int apply_runs = 0;
  int timer_runs = 0;
  Latch latch;
  {
    ThreadLoop raft({.name = "raft", .any_thread_helps = true});
    ThreadLoop log({.name = "log"});
    ThreadLoop apply({.name = "apply", .helper = &log});
    const auto on_raft = [&](int step) {
      EXPECT_EQ(++in_raft, 1);
      ++raft_runs;
      if (step % 16 == 0) {
        raft.PostAfter(10us, [&] {
          EXPECT_EQ(++in_raft, 1);
          ++timer_runs;
          --in_raft;
          latch.Arrive();
        });
      }
      --in_raft;
    };
    std::vector<std::thread> clients;
    for (int t = 0; t < 2; ++t) {
      clients.emplace_back([&] {
        for (int i = 0; i < kRounds; ++i) {
          raft.Post([&, i] {
            on_raft(i);
            log.Post([&] {
              raft.Post([&] {
                on_raft(1);
                apply.Post([&] {
                  ++apply_runs;
                  latch.Arrive();
                });
              });
            });
          });
          if (i % 64 == 0) std::this_thread::sleep_for(100us);
        }
      });
    }
    for (std::thread& client : clients) client.join();
    latch.WaitFor(2 * kRounds + 2 * kRounds / 16);
    raft.Stop();
    log.Stop();
    apply.Stop();
  }
  EXPECT_EQ(raft_runs, 4 * kRounds);
  EXPECT_EQ(apply_runs, 2 * kRounds);
  EXPECT_EQ(timer_runs, 2 * kRounds / 16);
}

TEST(ThreadLoop, RunsTimersInTheOrderOfTheirTimesAndNotEarly) {
  ThreadLoop loop({.name = "test"});
  Latch latch;
  std::vector<int> order;
  const MonotonicTime start = loop.Now();
  loop.PostAfter(30ms, [&] {
    EXPECT_GE(loop.Now() - start, 30ms);
    order.push_back(3);
    latch.Arrive();
  });
  loop.PostAfter(10ms, [&] {
    EXPECT_GE(loop.Now() - start, 10ms);
    order.push_back(1);
    latch.Arrive();
  });
  loop.PostAfter(20ms, [&] {
    order.push_back(2);
    latch.Arrive();
  });
  latch.WaitFor(3);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(ThreadLoop, ATimerRunsWhileTasksKeepComing) {
  ThreadLoop loop({.name = "test"});
  Latch latch;
  std::atomic<bool> done{false};
  std::function<void()> again = [&] {
    if (!done) loop.Post([&] { again(); });
  };
  loop.Post([&] { again(); });
  loop.PostAfter(5ms, [&] {
    done = true;
    latch.Arrive();
  });
  latch.WaitFor(1);
  loop.Stop();
}

TEST(ThreadLoop, ATimerCancelledOnTheLoopDoesNotRunEvenWhenItIsDue) {
  ThreadLoop loop({.name = "test"});
  Latch latch;
  bool ran = false;
  loop.Post([&] {
    const Loop::TimerId second = loop.PostAfter(1ms, [&] { ran = true; });
    loop.PostAfter(0ms, [&, second] {
      const MonotonicTime until = loop.Now() + 3ms;
      while (loop.Now() < until) {
      }
      loop.Cancel(second);
    });
    loop.PostAfter(20ms, [&] { latch.Arrive(); });
  });
  latch.WaitFor(1);
  EXPECT_FALSE(ran);
}

TEST(ThreadLoop, StopRunsWhatWasPostedDropsTimersAndLaterTasks) {
  ThreadLoop loop({.name = "test"});
  int ran = 0;
  auto held = std::make_shared<int>(0);
  loop.PostAfter(1h, [&, held] { ran += 1000; });
  for (int i = 0; i < 100; ++i) loop.Post([&] { ++ran; });
  loop.Stop();
  loop.Post([&, held] { ran += 1000; });
  loop.Stop();
  EXPECT_EQ(ran, 100);
}

TEST(Pool, RunsTasksAndTimersOnSeveralThreadsAndDrainsAtStop) {
  std::atomic<int> ran{0};
  Latch both;
  {
    Pool pool("pool", 2);
    for (int i = 0; i < 2; ++i) {
      pool.Post([&] {
        both.Arrive();
        both.WaitFor(2);  // hangs unless the two run at the same time
      });
    }
    Latch timer;
    pool.PostAfter(1ms, [&] { timer.Arrive(); });
    timer.WaitFor(1);
    for (int i = 0; i < 1000; ++i) pool.Post([&] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(Mailbox, SaysWhoPostsRefusesWhenFullAndKeepsTheOrder) {
  Mailbox<std::unique_ptr<int>> box(2);
  auto item = [](int value) { return std::make_unique<int>(value); };
  auto one = item(1), two = item(2), three = item(3);
  using Put = Mailbox<std::unique_ptr<int>>::Put;
  EXPECT_EQ(box.Add(one), Put::kFirst);
  EXPECT_EQ(box.Add(two), Put::kMore);
  EXPECT_EQ(box.Add(three), Put::kFull);
  EXPECT_EQ(*three, 3);
  std::vector<std::unique_ptr<int>> taken;
  box.Take(taken);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(*taken[0], 1);
  EXPECT_EQ(*taken[1], 2);
  EXPECT_EQ(box.Add(three), Put::kFirst);
  box.Close();
  auto four = item(4);
  EXPECT_EQ(box.Add(four), Put::kClosed);
}

}  // namespace
}  // namespace regent::server
