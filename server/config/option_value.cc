#include "server/config/option_value.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "api/contract/duration_text.h"
#include "api/contract/status_macros.h"
#include "server/config/duration.h"
#include "server/config/number.h"

namespace regent::server {
namespace {

absl::Status Bad(std::string text) { return absl::InvalidArgumentError(std::move(text)); }

absl::Status NumberStatus(std::optional<NumberError> error) {
  if (!error) return absl::OkStatus();
  return Bad(*error == NumberError::kRange ? "value out of range" : "parse error");
}

// The parts between commas, sorted and each once; of an empty text one empty part.
std::vector<std::string> SplitUnique(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  return parts;
}

// Origins are "*" alone, or URLs.
absl::StatusOr<std::vector<std::string>> ReadOrigins(std::string_view text) {
  if (text == "*") return std::vector<std::string>{"*"};
  REGENT_ASSIGN_OR_RETURN(const std::vector<Url> urls, ParseUrls(text));
  std::vector<std::string> origins;
  for (const Url& url : urls) origins.push_back(url.text);
  return origins;
}

// A choice is one word; --v2-deprecation takes several.
absl::Status CheckChoice(const Option& option, std::string_view text) {
  const std::vector<std::string> choices = SplitUnique(option.choices);
  const auto is_choice = [&](const std::string& word) {
    return std::find(choices.begin(), choices.end(), word) != choices.end();
  };
  if (option.name != "v2-deprecation") return is_choice(std::string(text)) ? absl::OkStatus() : Bad("invalid value");
  for (const std::string& word : SplitUnique(text)) {
    if (!is_choice(word)) return Bad("invalid value \"" + word + "\"");
  }
  return absl::OkStatus();
}

// The canonical text of a value of this form.
absl::StatusOr<std::string> ReadForm(Form form, std::string_view text) {
  switch (form) {
    case Form::kText:
      return std::string(text);
    case Form::kSwitch: {
      const std::optional<bool> value = ReadBool(text);
      if (!value) return Bad("parse error");
      return *value ? "true" : "false";
    }
    case Form::kUnsigned: {
      const UnsignedNumber number = ReadUnsigned(text);
      REGENT_RETURN_IF_ERROR(NumberStatus(number.error));
      return std::to_string(number.value);
    }
    case Form::kSigned: {
      const SignedNumber number = ReadSigned(text);
      REGENT_RETURN_IF_ERROR(NumberStatus(number.error));
      return std::to_string(number.value);
    }
    case Form::kDuration: {
      const absl::StatusOr<std::chrono::nanoseconds> duration = ParseDuration(text);
      if (!duration.ok()) return Bad("parse error");
      return api::DurationText(*duration);
    }
  }
  std::abort();  // every form is above
}

struct Setter {
  const Option& option;
  Settings& settings;
  std::string_view text;

  absl::Status operator()(const Unread& unread) const { return ReadForm(unread.form, text).status(); }
  absl::Status operator()(std::string Settings::*member) const {
    settings.*member = std::string(text);
    return absl::OkStatus();
  }
  absl::Status operator()(bool Settings::*member) const {
    const std::optional<bool> value = ReadBool(text);
    if (value) settings.*member = *value;
    return value ? absl::OkStatus() : Bad("parse error");
  }
  absl::Status operator()(int64_t Settings::*member) const {
    const SignedNumber number = ReadSigned(text);
    if (!number.error) settings.*member = number.value;
    return NumberStatus(number.error);
  }
  absl::Status operator()(uint64_t Settings::*member) const {
    const UnsignedNumber number = ReadUnsigned(text);
    if (!number.error) settings.*member = number.value;
    return NumberStatus(number.error);
  }
  absl::Status operator()(uint32_t Settings::*member) const {
    const UnsignedNumber number = ReadUnsigned(text);
    const std::string shown = "strconv.ParseUint: parsing \"" + std::string(text) + "\": ";
    if (number.error == NumberError::kSyntax) return Bad(shown + "invalid syntax");
    if (number.error || number.value > UINT32_MAX) return Bad(shown + "value out of range");
    settings.*member = static_cast<uint32_t>(number.value);
    return absl::OkStatus();
  }
  absl::Status operator()(std::chrono::milliseconds Settings::*member) const {
    const UnsignedNumber number = ReadUnsigned(text);
    REGENT_RETURN_IF_ERROR(NumberStatus(number.error));
    settings.*member =
        std::chrono::milliseconds(std::min<uint64_t>(number.value, UINT32_MAX));  // far beyond what is valid
    return absl::OkStatus();
  }
  absl::Status operator()(std::chrono::nanoseconds Settings::*member) const {
    const absl::StatusOr<std::chrono::nanoseconds> duration = ParseDuration(text);
    if (duration.ok()) settings.*member = *duration;
    return duration.ok() ? absl::OkStatus() : Bad("parse error");
  }
  absl::Status operator()(std::vector<Url> Settings::*member) const {
    if (text.empty()) return absl::OkStatus();  // keeps what it had
    REGENT_ASSIGN_OR_RETURN(settings.*member, ParseUrls(text));
    return absl::OkStatus();
  }
  absl::Status operator()(std::vector<std::string> Settings::*member) const {
    if (option.name == "cors") {
      REGENT_ASSIGN_OR_RETURN(settings.*member, ReadOrigins(text));
    } else {
      settings.*member = SplitUnique(text);
    }
    return absl::OkStatus();
  }
  absl::Status operator()(FeatureGates Settings::*member) const { return (settings.*member).Set(text); }
};

struct Formatter {
  const Settings& settings;

  std::string operator()(const Unread& unread) const { return std::string(unread.by_default); }
  std::string operator()(std::string Settings::*member) const { return settings.*member; }
  std::string operator()(bool Settings::*member) const { return settings.*member ? "true" : "false"; }
  std::string operator()(int64_t Settings::*member) const { return std::to_string(settings.*member); }
  std::string operator()(uint32_t Settings::*member) const { return std::to_string(settings.*member); }
  std::string operator()(uint64_t Settings::*member) const { return std::to_string(settings.*member); }
  std::string operator()(std::chrono::milliseconds Settings::*member) const {
    return std::to_string((settings.*member).count());
  }
  std::string operator()(std::chrono::nanoseconds Settings::*member) const {
    return api::DurationText(settings.*member);
  }
  std::string operator()(std::vector<Url> Settings::*member) const { return JoinUrls(settings.*member); }
  std::string operator()(std::vector<std::string> Settings::*member) const {
    std::string text;
    for (size_t i = 0; i < (settings.*member).size(); ++i) text += (i == 0 ? "" : ",") + (settings.*member)[i];
    return text;
  }
  std::string operator()(FeatureGates Settings::*member) const { return (settings.*member).text(); }
};

}  // namespace

absl::Status SetValue(const Option& option, std::string_view text, Settings& settings) {
  if (!option.choices.empty()) REGENT_RETURN_IF_ERROR(CheckChoice(option, text));
  return std::visit(Setter{option, settings, text}, option.target);
}

std::string FormatValue(const Option& option, const Settings& settings) {
  return std::visit(Formatter{settings}, option.target);
}

std::string NormalValue(const Option& option, std::string_view text, const Settings& settings) {
  if (const auto* unread = std::get_if<Unread>(&option.target)) {
    return ReadForm(unread->form, text).value_or(std::string(text));
  }
  return FormatValue(option, settings);
}

}  // namespace regent::server
