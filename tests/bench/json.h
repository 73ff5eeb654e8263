// The one line that a load program prints: a flat JSON object.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "tests/bench/histogram.h"

namespace regent::bench {

class JsonObject {
 public:
  void Add(std::string_view name, double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.12g", value);
    AddRaw(name, text);
  }
  void Add(std::string_view name, std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    AddRaw(name, quoted + '"');
  }
  void Add(std::string_view name, const JsonObject& object) { AddRaw(name, object.Text()); }

  // In microseconds.
  void Add(std::string_view name, const Histogram& latencies) {
    const auto microseconds = [](Histogram::Duration value) { return static_cast<double>(value.count()) / 1e3; };
    JsonObject object;
    object.Add("count", static_cast<double>(latencies.total()));
    object.Add("mean", latencies.mean_nanoseconds() / 1e3);
    object.Add("p50", microseconds(latencies.Percentile(0.5)));
    object.Add("p90", microseconds(latencies.Percentile(0.9)));
    object.Add("p99", microseconds(latencies.Percentile(0.99)));
    object.Add("p99.9", microseconds(latencies.Percentile(0.999)));
    object.Add("max", microseconds(latencies.max()));
    Add(name, object);
  }

  std::string Text() const { return "{" + fields_ + "}"; }
  void Print() const { std::printf("%s\n", Text().c_str()); }

 private:
  void AddRaw(std::string_view name, std::string_view value) {
    if (!fields_.empty()) fields_ += ", ";
    fields_.append("\"").append(name).append("\": ").append(value);
  }

  std::string fields_;
};

}  // namespace regent::bench
