// A real gRPC C++ client for any method, with one call at a time per object.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

namespace regent::server {

inline grpc::ByteBuffer ToBuffer(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string ToText(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

struct UnaryResult {
  grpc::Status status;
  std::string reply;
};

inline UnaryResult CallUnary(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                             const std::string& request, std::optional<std::chrono::milliseconds> timeout = {},
                             const std::function<void(grpc::ClientContext&)>& prepare = {}) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  if (timeout.has_value()) context.set_deadline(std::chrono::system_clock::now() + *timeout);
  if (prepare) prepare(context);
  grpc::ByteBuffer reply;
  UnaryResult result;
  auto call = stub.PrepareUnaryCall(&context, path, ToBuffer(request), &queue);
  call->StartCall();
  call->Finish(&reply, &result.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok) && ok);
  if (result.status.ok()) result.reply = ToText(reply);
  return result;
}

class ClientStream {
 public:
  ClientStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
               const std::function<void(grpc::ClientContext&)>& prepare = {}) {
    if (prepare) prepare(context_);
    call_ = grpc::GenericStub(channel).PrepareCall(&context_, path, &queue_);
    call_->StartCall(nullptr);
    started_ = Await();
  }
  ~ClientStream() {
    if (finished_) return;
    context_.TryCancel();
    (void)Finish();
  }

  bool started() const { return started_; }
  bool Write(const std::string& text) {
    call_->Write(ToBuffer(text), nullptr);
    return Await();
  }
  std::optional<std::string> Read() {
    grpc::ByteBuffer buffer;
    call_->Read(&buffer, nullptr);
    if (!Await()) return std::nullopt;
    return ToText(buffer);
  }
  void HalfClose() {
    call_->WritesDone(nullptr);
    Await();
  }
  void Cancel() { context_.TryCancel(); }
  grpc::Status Finish() {
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Await();
    finished_ = true;
    return status;
  }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue_.Next(&tag, &ok));
    return ok;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool started_ = false;
  bool finished_ = false;
};

}  // namespace regent::server
