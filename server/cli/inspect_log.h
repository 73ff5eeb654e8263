// `regent inspect log`: the entries of the log that are in effect, or a summary of it.
//
//   {"index":7,"term":2,"type":"normal","request":{"put":{"key":"YQ==","value":"MQ=="}}}
//
// An entry without a command, with which a leader begins its term, has an empty request; one that changes the
// configuration is of the type "configuration", its encoding in base64. Index and term are numbers.
#pragma once

#include "absl/status/status.h"
#include "server/cli/findings.h"
#include "server/cli/inspect_arguments.h"
#include "server/cli/output.h"
#include "storage/data_folder.h"

namespace regent::server {

absl::Status InspectLog(const InspectArguments& arguments, storage::Files& files, const storage::DataFolder& folder,
                        Findings& findings, Output& output);

// Whose folder it is, as the first facts of a summary.
void DescribeOwner(const InspectArguments& arguments, const storage::DataFolder& folder, class Summary& summary);

}  // namespace regent::server
