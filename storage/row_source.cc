#include "storage/row_source.h"

#include <utility>

#include "api/contract/errors.h"

namespace regent::storage {

class Overlay::Iterator final : public RowIterator {
 public:
  Iterator(const Overlay& overlay, std::unique_ptr<RowIterator> below, std::string upper_bound)
      : overlay_(overlay),
        below_(std::move(below)),
        upper_bound_(std::move(upper_bound)),
        above_(overlay.rows_.end()) {}

  void Seek(std::string_view row) override {
    below_->Seek(row);
    above_ = overlay_.rows_.lower_bound(row);
    Choose();
  }
  void Next() override {
    // After a crash in the middle of a large entry a row may be in both places, with the same bytes.
    const bool both = from_above_ && below_->Valid() && below_->row() == above_->first;
    if (!from_above_ || both) below_->Next();
    if (from_above_) ++above_;
    Choose();
  }
  bool Valid() const override { return from_above_ || below_->Valid(); }
  std::string_view row() const override { return from_above_ ? std::string_view(above_->first) : below_->row(); }
  std::string_view value() const override {
    return from_above_ ? overlay_.batch_.at(above_->second).value : below_->value();
  }

 private:
  void Choose() {
    from_above_ = above_ != overlay_.rows_.end() && above_->first < upper_bound_ &&
                  (!below_->Valid() || above_->first <= below_->row());
  }

  const Overlay& overlay_;
  const std::unique_ptr<RowIterator> below_;
  const std::string upper_bound_;
  std::map<std::string, size_t, std::less<>>::const_iterator above_;
  bool from_above_ = false;
};

void Overlay::Update() {
  for (; taken_ < batch_.count(); ++taken_) {
    const Batch::Operation operation = batch_.at(taken_);
    if (operation.row[0] == kVersionRows || operation.row[0] == kEventRows)
      rows_.insert_or_assign(std::string(operation.row), taken_);
  }
}

void Overlay::Clear() {
  rows_.clear();
  taken_ = 0;
}

bool Overlay::Get(std::string_view row, std::string* value) const {
  const auto found = rows_.find(row);
  if (found == rows_.end()) return false;
  *value = batch_.at(found->second).value;
  return true;
}

std::unique_ptr<RowIterator> Overlay::Merge(std::unique_ptr<RowIterator> below, std::string upper_bound) const {
  return std::make_unique<Iterator>(*this, std::move(below), std::move(upper_bound));
}

absl::StatusOr<std::unique_ptr<RowIterator>> RowSource::Iterate(std::string upper_bound, Scope scope) const {
  if (overlay_ != nullptr && !overlay_->empty())
    return overlay_->Merge(engine_->Iterate(upper_bound, scope), upper_bound);
  std::unique_ptr<RowIterator> rows = engine_->Iterate(std::move(upper_bound), scope);
  if (compacted_ != nullptr && compacted_->load() > revision_) return api::ErrCompacted();
  return rows;
}

bool RowSource::Get(std::string_view row, std::string* value) const {
  if (overlay_ != nullptr && overlay_->Get(row, value)) return true;
  return engine_->Get(row, value);
}

}  // namespace regent::storage
