#include "server/rpc/json_shape.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <set>
#include <string>

#include "api/contract/status_macros.h"

namespace regent::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

const FieldDescriptor* FindField(const Descriptor& message, std::string_view name) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    if (field->name() == name || field->json_name() == name) return field;
  }
  return nullptr;
}

// "007": a number as text is a number of JSON.
bool HasLeadingZero(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

// Walks through JSON that is known to be well formed.
class Walk {
 public:
  explicit Walk(std::string_view json) : rest_(json) {}

  absl::Status Object(const Descriptor* message) {
    std::set<int> fields, oneofs;
    return List('}', [&]() -> absl::Status {
      const std::string_view name = String();
      Next();  // the colon
      const FieldDescriptor* field = message == nullptr ? nullptr : FindField(*message, name);
      if (field != nullptr && !fields.insert(field->number()).second) return Misfit("duplicate field", *field);
      if (field != nullptr && field->containing_oneof() != nullptr && Next() != 'n' &&
          !oneofs.insert(field->containing_oneof()->index()).second) {
        return Misfit("a second member of a oneof", *field);
      }
      return Field(field);
    });
  }

 private:
  // The value of a field; of an unknown one (null) anything.
  absl::Status Field(const FieldDescriptor* field) {
    if (field == nullptr || Next() == 'n') return Any();
    if (!field->is_repeated()) return One(*field);
    if (Next() != '[') return Misfit("no list", *field);
    return List(']', [&] { return One(*field); });
  }

  absl::Status One(const FieldDescriptor& field) {
    const char first = Next();
    const bool is_string = first == '"';
    const bool is_number = first == '-' || (first >= '0' && first <= '9');
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return first == '{' ? Object(field.message_type()) : Misfit("no object", field);
      case FieldDescriptor::CPPTYPE_BOOL:
        return first == 't' || first == 'f' ? Any() : Misfit("neither true nor false", field);
      case FieldDescriptor::CPPTYPE_STRING:
        return is_string ? Any() : Misfit("no string", field);
      default:
        if (is_string && HasLeadingZero(rest_.substr(1))) return Misfit("no number", field);
        return is_string || is_number ? Any() : Misfit("no number", field);
    }
  }

  absl::Status Any() {
    switch (Next()) {
      case '{':
        return Object(nullptr);
      case '[':
        return List(']', [this] { return Any(); });
      case '"':
        String();
        return absl::OkStatus();
      default:
        rest_.remove_prefix(std::min(rest_.find_first_of(",]} \t\r\n"), rest_.size()));
        return absl::OkStatus();
    }
  }

  template <typename Element>
  absl::Status List(char close, Element element) {
    rest_.remove_prefix(1);
    while (Next() != close) REGENT_RETURN_IF_ERROR(element());
    rest_.remove_prefix(1);
    return absl::OkStatus();
  }

  // As it is written, between its quotes.
  std::string_view String() {
    size_t end = 1;
    while (rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  // The next character that is neither blank nor a separator; it stays.
  char Next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n,:"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }

  static absl::Status Misfit(const std::string& what, const FieldDescriptor& field) {
    return absl::InvalidArgumentError(what + ": " + field.full_name());
  }

  std::string_view rest_;
};

}  // namespace

absl::Status CheckJsonShape(std::string_view json, const Descriptor& message) { return Walk(json).Object(&message); }

}  // namespace regent::server
