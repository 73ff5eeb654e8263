// A duration as etcd writes it, which is Go's way: "62.614µs", "1.5s", "2h0m0s".
#pragma once

#include <chrono>
#include <string>

namespace regent::api {

std::string DurationText(std::chrono::nanoseconds duration);

}  // namespace regent::api
