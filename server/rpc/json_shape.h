// Whether a JSON object has the shape of a message, as strictly as etcd's reader (Go's protojson) wants it. The
// protobuf library's own reader guesses: it takes "yes" for true and an object for a list, and would write what nobody
// meant.
//
// Checked are the kinds of values, nulls inside lists, fields given twice and two members of one oneof. Unknown fields
// are passed over; the texts of numbers, base64 and enums are left to the library.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace google::protobuf {
class Descriptor;
}

namespace regent::server {

// REQUIRES: `json` is an object that FirstJsonValue has found. InvalidArgument when it does not fit.
absl::Status CheckJsonShape(std::string_view json, const google::protobuf::Descriptor& message);

}  // namespace regent::server
