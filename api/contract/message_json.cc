#include "api/contract/message_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

namespace regent::api {
namespace {

constexpr char kTypeUrlPrefix[] = "type.googleapis.com";

std::string TypeUrl(const google::protobuf::Descriptor& type) {
  return std::string(kTypeUrlPrefix) + "/" + type.full_name();
}

absl::Status FromProtobuf(const google::protobuf::util::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace

MessageJson::MessageJson()
    : types_(google::protobuf::util::NewTypeResolverForDescriptorPool(
          kTypeUrlPrefix, google::protobuf::DescriptorPool::generated_pool())) {}

MessageJson::~MessageJson() = default;

absl::StatusOr<std::string> MessageJson::Print(const google::protobuf::Descriptor& type,
                                               const std::string& message) const {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::BinaryToJsonString(types_.get(), TypeUrl(type), message, &json, options);
  if (!status.ok()) return FromProtobuf(status);
  return json;
}

absl::StatusOr<std::string> MessageJson::Parse(const google::protobuf::Descriptor& type,
                                               const std::string& json) const {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  std::string message;
  const auto status = google::protobuf::util::JsonToBinaryString(types_.get(), TypeUrl(type), json, &message, options);
  if (!status.ok()) return FromProtobuf(status);
  return message;
}

}  // namespace regent::api
