// Methods that a test drives an engine with, and what their handlers saw.
//
//   /test.Echo/Unary     answers with the request
//   /test.Echo/Fail      ends with kFailure
//   /test.Echo/Big       answers with as many bytes as the request says in decimal, in pieces
//   /test.Echo/Source    the same, read by the engine part by part
//   /test.Echo/Hold      keeps the call for the test to answer
//   /test.Echo/Drop      lets go of the call without an answer
//   /test.Echo/Bidi      a stream that echoes; "metadata:<key>" answers with a value, "deadline" with "none" or "some",
//                        "unsent" with unsent_bytes(),
//                        "flood:<n>" sends n messages of 1 KiB at once; ends when the client half-closes
//   /test.Echo/Quiet     a stream that does nothing until it is done
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/service/call.h"
#include "server/runtime/mutex.h"

namespace regent::server {

inline api::SharedBytes Shared(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

class TestService {
 public:
  static absl::Status Failure() {
    return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted");
  }

  std::vector<api::Method> Methods() {
    using Kind = api::Method::Kind;
    return {
        {"/test.Echo/Unary", Kind::kUnary,
         [](std::shared_ptr<api::Call> call, std::string_view request) {
           call->Send({Shared(std::string(request))});
           call->Finish(absl::OkStatus());
         }},
        {"/test.Echo/Fail", Kind::kUnary,
         [](std::shared_ptr<api::Call> call, std::string_view) { call->Finish(Failure()); }},
        {"/test.Echo/Big", Kind::kUnary,
         [](std::shared_ptr<api::Call> call, std::string_view request) {
           call->Send(Pieces(std::stoul(std::string(request))));
           call->Finish(absl::OkStatus());
         }},
        {"/test.Echo/Source", Kind::kUnary,
         [this](std::shared_ptr<api::Call> call, std::string_view request) {
           call->SendFrom(std::make_unique<Source>(std::stoul(std::string(request)), source_bytes_read));
           call->Finish(absl::OkStatus());
         }},
        {"/test.Echo/Hold", Kind::kUnary,
         [this](std::shared_ptr<api::Call> call, std::string_view request) {
           const MutexLock lock(mutex_);
           held_[std::string(request)] = std::move(call);
           changed_.NotifyAll();
         }},
        {"/test.Echo/Drop", Kind::kUnary, [](std::shared_ptr<api::Call>, std::string_view) {}},
        {"/test.Echo/Bidi", Kind::kStream, nullptr,
         [this](std::shared_ptr<api::Call> call) { return std::make_unique<Echo>(*this, std::move(call)); }},
        {"/test.Echo/Quiet", Kind::kStream, nullptr,
         [this](std::shared_ptr<api::Call> call) { return std::make_unique<Quiet>(*this, std::move(call)); }},
    };
  }

  // `size_bytes` bytes, the i-th one being 'a' + i % 26, in pieces of sizes below and above the limit of copying.
  static api::WireMessage Pieces(size_t size_bytes) {
    api::WireMessage message;
    const size_t sizes[] = {1, 100, 2048, 2049, 65'536, 1'000'000};
    size_t done = 0;
    for (size_t i = 0; done < size_bytes; ++i) {
      std::string piece(std::min(sizes[i % 6], size_bytes - done), ' ');
      for (char& c : piece) c = static_cast<char>('a' + done++ % 26);
      message.push_back(Shared(std::move(piece)));
    }
    return message;
  }

  std::atomic<size_t> source_bytes_read{0};  // by the engine, of all calls to Source

  // The call to Hold whose request is `request`.
  std::shared_ptr<api::Call> AwaitHeld(const std::string& request) {
    mutex_.Lock();
    while (held_.count(request) == 0) changed_.Wait(mutex_);
    std::shared_ptr<api::Call> call = std::move(held_[request]);
    held_.erase(request);
    mutex_.Unlock();
    return call;
  }

  void AwaitStreams(int open) {
    mutex_.Lock();
    while (open_ != open) changed_.Wait(mutex_);
    mutex_.Unlock();
  }

  // Until a stream has answered "unsent".
  void AwaitUnsent() {
    mutex_.Lock();
    while (!saw_unsent_) changed_.Wait(mutex_);
    mutex_.Unlock();
  }

  std::atomic<int> streams_opened{0};
  std::atomic<int> streams_done{0};  // OnDone
  std::atomic<int> handlers_destroyed{0};
  std::atomic<int> calls_after_done{0};  // must stay 0
  std::atomic<int> half_closes{0};
  std::atomic<int> sent_events{0};

 private:
  class Source final : public api::MessageSource {
   public:
    Source(size_t size_bytes, std::atomic<size_t>& read)
        : size_bytes_(size_bytes), pieces_(Pieces(size_bytes)), read_(read) {}
    size_t size_bytes() const override { return size_bytes_; }
    int64_t count() const override { return 0; }
    api::WireMessage Next() override {
      read_ += pieces_[next_]->size();
      return {pieces_[next_++]};
    }

   private:
    const size_t size_bytes_;
    const api::WireMessage pieces_;
    size_t next_ = 0;
    std::atomic<size_t>& read_;
  };

  class Stream : public api::StreamHandler {
   public:
    Stream(TestService& service, std::shared_ptr<api::Call> call) : service_(service), call_(std::move(call)) {
      ++service_.streams_opened;
      service_.Opened(+1);
    }
    ~Stream() override { ++service_.handlers_destroyed; }
    void OnMessage(std::string_view) override { Check(); }
    void OnHalfClose() override {
      Check();
      ++service_.half_closes;
    }
    void OnSent() override {
      Check();
      ++service_.sent_events;
    }
    void OnDone() override {
      Check();
      done_ = true;
      ++service_.streams_done;
      call_->Send({Shared("too late")});  // has no effect, and must not harm
      call_->Finish(absl::OkStatus());
      service_.Opened(-1);
    }

   protected:
    void Check() {
      if (done_) ++service_.calls_after_done;
    }
    TestService& service_;
    const std::shared_ptr<api::Call> call_;
    bool done_ = false;
  };

  class Quiet final : public Stream {
   public:
    using Stream::Stream;
  };

  class Echo final : public Stream {
   public:
    using Stream::Stream;
    void OnMessage(std::string_view message) override {
      Check();
      const std::string text(message);
      if (text.rfind("metadata:", 0) == 0) {
        return call_->Send({Shared(std::string(call_->Metadata(text.substr(9)).value_or("absent")))});
      }
      if (text == "deadline") {
        return call_->Send({Shared(call_->deadline() == api::MonotonicTime::max() ? "none" : "some")});
      }
      if (text == "unsent") {
        call_->Send({Shared(std::to_string(call_->unsent_bytes()))});
        return service_.SawUnsent();
      }
      if (text.rfind("flood:", 0) == 0) {
        for (int i = std::stoi(text.substr(6)); i > 0; --i) call_->Send({Shared(std::string(1024, 'f'))});
        return;
      }
      call_->Send({Shared("echo "), Shared(text)});
    }
    void OnHalfClose() override {
      Stream::OnHalfClose();
      call_->Send({Shared("goodbye")});
      call_->Finish(absl::OkStatus());
    }
  };

  void SawUnsent() {
    const MutexLock lock(mutex_);
    saw_unsent_ = true;
    changed_.NotifyAll();
  }

  void Opened(int by) {
    const MutexLock lock(mutex_);
    open_ += by;
    changed_.NotifyAll();
  }

  Mutex mutex_;
  Condition changed_;
  std::map<std::string, std::shared_ptr<api::Call>> held_ ABSL_GUARDED_BY(mutex_);
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  bool saw_unsent_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace regent::server
