// Builds one JSON object, field by field, in the order in which they are added.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "server/runtime/json_log.h"

namespace regent::server {

class JsonObject {
 public:
  template <std::integral Integer>
  JsonObject& Number(std::string_view key, Integer value) {
    return Json(key, std::to_string(value));
  }
  JsonObject& Flag(std::string_view key, bool value) { return Json(key, value ? "true" : "false"); }
  JsonObject& Text(std::string_view key, std::string_view value) { return Json(key, JsonString(value)); }
  JsonObject& Base64(std::string_view key, std::string_view bytes) {
    return Json(key, "\"" + absl::Base64Escape({bytes.data(), bytes.size()}) + "\"");
  }
  JsonObject& Texts(std::string_view key, const std::vector<std::string>& values) {
    std::string elements;
    for (const std::string& value : values) elements += (elements.empty() ? "" : ",") + JsonString(value);
    return Json(key, "[" + elements + "]");
  }
  // `json` is JSON already.
  JsonObject& Json(std::string_view key, std::string_view json) {
    text_ += text_.size() == 1 ? "\"" : ",\"";
    text_.append(key).append("\":").append(json);
    return *this;
  }

  std::string Take() { return std::move(text_ += '}'); }

 private:
  std::string text_ = "{";
};

}  // namespace regent::server
