// `regent inspect store`: every row of the store, as row_json.h says, or a summary. All blocks of all files are read
// and their checksums verified.
#pragma once

#include "absl/status/status.h"
#include "server/cli/findings.h"
#include "server/cli/inspect_arguments.h"
#include "server/cli/output.h"
#include "storage/data_folder.h"

namespace regent::server {

absl::Status InspectStore(const InspectArguments& arguments, storage::Files& files, const storage::DataFolder& folder,
                          Findings& findings, Output& output);

}  // namespace regent::server
