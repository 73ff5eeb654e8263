#include "server/cli/inspect.h"

#include <signal.h>
#include <unistd.h>

#include <iostream>

#include "api/contract/status_macros.h"
#include "server/cli/findings.h"
#include "server/cli/inspect_arguments.h"
#include "server/cli/inspect_log.h"
#include "server/cli/inspect_store.h"
#include "server/cli/output.h"
#include "storage/posix_files.h"

namespace regent::server {
namespace {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kUsage = 2;

absl::Status Inspect(const InspectArguments& arguments, Findings& findings) {
  storage::ReadOnlyPosixFiles files;
  std::vector<std::string> damage;
  REGENT_ASSIGN_OR_RETURN(
      const std::unique_ptr<storage::DataFolder> folder,
      storage::DataFolder::OpenToLook(files, {.data_dir = arguments.data_dir, .wal_dir = arguments.wal_dir}, &damage));
  for (const std::string& what : damage) findings.Damage(what);
  Output output(STDOUT_FILENO);
  const bool log = arguments.subject == InspectArguments::Subject::kLog;
  REGENT_RETURN_IF_ERROR(log ? InspectLog(arguments, files, *folder, findings, output)
                             : InspectStore(arguments, files, *folder, findings, output));
  return output.Flush();
}

}  // namespace

int RunInspect(const std::vector<std::string>& words) {
  const ParsedInspect parsed = ParseInspect(words);
  if (parsed.help) {
    std::cout << InspectHelp();
    return kSuccess;
  }
  if (!parsed.arguments) {
    std::cerr << "regent inspect: " << parsed.error << "\n\n" << InspectHelp();
    return kUsage;
  }
  signal(SIGPIPE, SIG_IGN);
  Findings findings;
  const absl::Status status = Inspect(*parsed.arguments, findings);
  if (!status.ok() && !absl::IsCancelled(status)) {
    std::cerr << "regent inspect: " << status.message() << "\n";
    return kFailure;
  }
  return findings.damage().empty() ? kSuccess : kFailure;
}

}  // namespace regent::server
