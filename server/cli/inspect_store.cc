#include "server/cli/inspect_store.h"

#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "api/contract/status_macros.h"
#include "server/cli/inspect_log.h"
#include "server/cli/row_json.h"
#include "server/cli/store_summary.h"
#include "server/cli/summary.h"
#include "storage/rocks_manifest.h"
#include "storage/rocks_reader.h"

namespace regent::server {
namespace {

// Damage is a finding, any other error ends the inspection.
absl::Status NoteDamage(const absl::Status& status, Findings& findings) {
  if (!absl::IsDataLoss(status)) return status;
  findings.Damage(std::string(status.message()));
  return absl::OkStatus();
}

}  // namespace

absl::Status InspectStore(const InspectArguments& arguments, storage::Files& files, const storage::DataFolder& folder,
                          Findings& findings, Output& output) {
  if (!folder.has_store()) {
    return absl::NotFoundError("no store of " + arguments.data_dir + " counts" +
                               (findings.damage().empty() ? ": the first start of this node was not completed" : ""));
  }
  const std::string& path = folder.store_path();
  REGENT_ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (!exists) return absl::NotFoundError("the store " + path + " is missing");
  const absl::StatusOr<std::optional<std::string>> manifest = storage::CheckManifest(files, path);
  if (!manifest.ok()) return NoteDamage(manifest.status(), findings);
  if (manifest->has_value()) findings.Note("torn tail: " + **manifest);
  const auto opened = storage::RocksReader::Open(path);
  if (!opened.ok()) return NoteDamage(opened.status(), findings);
  storage::RocksReader& store = **opened;

  const api::MessageJson printer;
  StoreSummary counted;
  const absl::Status read = store.ForEach([&](std::string_view row, std::string_view value) -> absl::Status {
    const absl::StatusOr<storage::StoredRow> parsed = storage::ParseStoredRow(row, value);
    if (!parsed.ok()) {
      findings.Damage(path + ": " + std::string(parsed.status().message()) + ": " +
                      absl::BytesToHexString({row.data(), row.size()}));
      return absl::OkStatus();
    }
    counted.Add(*parsed);
    if (arguments.summary) return absl::OkStatus();
    REGENT_ASSIGN_OR_RETURN(const std::string line, RowJson(printer, *parsed));
    return output.Write(line + "\n");
  });
  REGENT_RETURN_IF_ERROR(NoteDamage(read, findings));
  if (read.ok()) {
    counted.Judge(path, findings);
    REGENT_RETURN_IF_ERROR(NoteDamage(store.VerifyChecksums(), findings));
  }
  if (!arguments.summary) return absl::OkStatus();
  Summary summary;
  DescribeOwner(arguments, folder, summary);
  summary.Text("store", path);
  summary.Number("store_files", store.files());
  summary.Number("store_bytes", store.bytes());
  counted.Describe(summary);
  summary.List("damage", findings.damage());
  return output.Write(arguments.json ? summary.Json() + "\n" : summary.Table());
}

}  // namespace regent::server
