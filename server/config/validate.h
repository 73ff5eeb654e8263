// Whether settings fit together. Texts are etcd's where etcd has the rule; the order is etcd's, and what Regent refuses
// beyond it comes last.
#pragma once

#include "absl/status/status.h"
#include "server/config/flags.h"

namespace regent::server {

// What can be judged before anything is opened: listeners, advertised URLs, time-outs, logging, refused options.
absl::Status ValidateSettings(const ParsedFlags& flags);

// For a node without data: the initial cluster has this member, with the URLs that it advertises, and nobody else.
absl::Status ValidateBootstrap(const Settings& settings);

}  // namespace regent::server
