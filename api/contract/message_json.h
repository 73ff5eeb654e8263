// Messages of the contract as JSON, both ways, as etcd's gateway writes and reads them: fields have the names of the
// contract, 64-bit integers are strings, bytes are base64, enums are names, a field with its default value is left out.
// What is read may have lowerCamelCase names and fields that nobody knows.
//
// Messages are handed over as their bytes, so that who encodes by hand needs no generated code.
//
// Threads: any.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace google::protobuf {
class Descriptor;
namespace util {
class TypeResolver;
}
}  // namespace google::protobuf

namespace regent::api {

class MessageJson {
 public:
  // Knows the messages whose generated code is linked.
  MessageJson();
  ~MessageJson();

  absl::StatusOr<std::string> Print(const google::protobuf::Descriptor& type, const std::string& message) const;
  absl::StatusOr<std::string> Parse(const google::protobuf::Descriptor& type, const std::string& json) const;

 private:
  const std::unique_ptr<google::protobuf::util::TypeResolver> types_;
};

}  // namespace regent::api
