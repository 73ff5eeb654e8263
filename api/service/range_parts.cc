// A range's answer that is read while it leaves: header and what is there, the rest in parts, then more and count.
#include <utility>

#include "api/contract/wire.h"
#include "api/service/encode.h"

namespace regent::api {
namespace {

constexpr size_t kPartBytes = 256 * 1024;

class RangeParts final : public MessageSource {
 public:
  RangeParts(const Header& header, RangeResult result)
      : rest_(std::move(result.rest)),
        count_(result.count),
        beginning_(std::make_shared<const RangeResult>(std::move(result))),
        head_(EncodeHeaderOnly(header)) {
    AppendBool(tail_, 3, beginning_->more);
    AppendInt64(tail_, 4, beginning_->count);
    size_bytes_ = head_.size() + beginning_->kvs.size_bytes() + rest_->size_bytes() + tail_.size();
  }

  size_t size_bytes() const override { return size_bytes_; }
  int64_t count() const override { return count_; }

  WireMessage Next() override {
    MessageBuilder out;
    if (beginning_ != nullptr) {
      out.tail() = head_;
      for (const std::string& chunk : beginning_->kvs.chunks()) out.Append(beginning_, chunk);
      beginning_ = nullptr;
    } else {
      const auto part = std::make_shared<const KeyValueList>(rest_->Next(kPartBytes));
      for (const std::string& chunk : part->chunks()) out.Append(part, chunk);
    }
    if (rest_->size_bytes() == 0) out.tail().append(std::exchange(tail_, {}));
    return std::move(out).Take();
  }

 private:
  const std::shared_ptr<RangeRest> rest_;
  const int64_t count_;
  std::shared_ptr<const RangeResult> beginning_;  // until it has left
  const std::string head_;                        // as an answer with nothing but its header
  std::string tail_;
  size_t size_bytes_ = 0;
};

}  // namespace

std::unique_ptr<MessageSource> EncodeInParts(const Header& header, RangeResult result) {
  return std::make_unique<RangeParts>(header, std::move(result));
}

}  // namespace regent::api
