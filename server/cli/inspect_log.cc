#include "server/cli/inspect_log.h"

#include <string>

#include "api/contract/status_macros.h"
#include "server/cli/json_object.h"
#include "server/cli/request_json.h"
#include "server/cli/row_json.h"
#include "server/cli/summary.h"
#include "storage/log_inspection.h"

namespace regent::server {
namespace {

std::string Where(const storage::TornTail& tail) {
  return std::to_string(tail.bytes) + " bytes at " + tail.path + " offset " + std::to_string(tail.offset);
}

absl::StatusOr<std::string> EntryJson(const api::MessageJson& printer, const raft::Entry& entry) {
  const bool configuration = entry.type == raft::EntryType::kConfiguration;
  std::string request = "{}";
  if (configuration) {
    REGENT_ASSIGN_OR_RETURN(request, ConfigurationJson(printer, entry.data));
  } else if (!entry.data.empty()) {
    REGENT_ASSIGN_OR_RETURN(const storage::Command command, storage::DecodeCommand(entry.data));
    REGENT_ASSIGN_OR_RETURN(request, RequestJson(printer, command));
  }
  return JsonObject()
      .Number("index", entry.index.value)
      .Number("term", entry.term.value)
      .Text("type", configuration ? "configuration" : "normal")
      .Json("request", request)
      .Take();
}

absl::Status PrintEntries(const storage::LogInspection& log, Findings& findings, Output& output) {
  const api::MessageJson printer;
  const absl::Status read = log.ForEach([&](const raft::Entry& entry) -> absl::Status {
    const absl::StatusOr<std::string> line = EntryJson(printer, entry);
    if (line.ok()) return output.Write(*line + "\n");
    findings.Damage("entry " + std::to_string(entry.index.value) + ": " + std::string(line.status().message()));
    return absl::OkStatus();
  });
  if (!absl::IsDataLoss(read)) return read;
  findings.Damage(std::string(read.message()));
  return absl::OkStatus();
}

Summary DescribeSegment(const storage::InspectedSegment& segment) {
  Summary row;
  row.Text("segment", segment.path.substr(segment.path.rfind('/') + 1));
  row.Number("bytes", segment.bytes);
  row.Number("end", segment.end);
  row.Number("entries", segment.entries);
  row.Number("first_index", segment.first_index);
  row.Number("last_index", segment.last_index);
  row.Number("batches", segment.batches);
  row.Number("marks", segment.marks);
  row.Add("recycled", segment.recycled ? "true" : "false", segment.recycled ? "yes" : "no");
  return row;
}

void Describe(const storage::InspectedLog& log, Summary& summary) {
  uint64_t bytes = 0, entries = 0, marks = 0;
  std::vector<Summary> rows;
  for (const storage::InspectedSegment& segment : log.segments) {
    bytes += segment.bytes;
    entries += segment.entries;
    marks += segment.marks;
    rows.push_back(DescribeSegment(segment));
  }
  if (log.hard_state) {
    summary.Number("term", log.hard_state->term.value);
    summary.Text("vote", Hexadecimal16(log.hard_state->vote.value));
  } else {
    summary.Add("term", "null", "unknown");
    summary.Add("vote", "null", "unknown");
  }
  summary.Number("base_index", log.base_index.value);
  summary.Number("base_term", log.base_term.value);
  summary.Number("first_index", entries == 0 ? 0 : log.base_index.value + 1);
  summary.Number("last_index", log.last_index.value);
  summary.Number("last_term", log.last_term.value);
  summary.Number("entries", entries);
  summary.Number("marks", marks);
  summary.Number("segment_bytes", bytes);
  summary.Number("spare_bytes", log.spare_bytes);
  if (log.torn_tail) {
    JsonObject tail;
    tail.Text("file", log.torn_tail->path)
        .Number("offset", log.torn_tail->offset)
        .Number("bytes", log.torn_tail->bytes);
    summary.Add("torn_tail", tail.Take(), Where(*log.torn_tail));
  } else {
    summary.Add("torn_tail", "null", "none");
  }
  summary.Rows("segments", rows);
}

}  // namespace

void DescribeOwner(const InspectArguments& arguments, const storage::DataFolder& folder, Summary& summary) {
  summary.Text("data_dir", arguments.data_dir);
  if (!folder.facts()) return summary.Add("member", "null", "unknown");
  summary.Text("member", Hexadecimal16(folder.facts()->identity.node_id));
  summary.Text("name", folder.facts()->name);
  summary.Text("cluster", Hexadecimal16(folder.facts()->identity.cluster_id));
}

absl::Status InspectLog(const InspectArguments& arguments, storage::Files& files, const storage::DataFolder& folder,
                        Findings& findings, Output& output) {
  std::optional<storage::LogIdentity> identity;
  if (folder.facts()) identity = folder.facts()->identity;
  const auto opened = storage::LogInspection::Open(files, folder.wal_path(), identity);
  const bool missing = absl::IsNotFound(opened.status());
  if (!opened.ok() && !missing) return opened.status();
  if (missing || ((*opened)->findings().segments.empty() && (*opened)->findings().damage.empty())) {
    return absl::NotFoundError("the log of " + arguments.data_dir + " is not in " + folder.wal_path() +
                               (folder.complete() ? ": give the --wal-dir that the node was started with"
                                                  : ": the first start of this node was not completed"));
  }
  const storage::LogInspection& log = **opened;
  for (const std::string& what : log.findings().damage) findings.Damage(what);
  for (const std::string& what : log.findings().notes) findings.Note(what);
  if (const auto& tail = log.findings().torn_tail) {
    findings.Note("torn tail: " + Where(*tail) +
                  ", a write that a crash interrupted. Nobody was told that it was done; the next start discards it");
  }
  if (!arguments.summary) return PrintEntries(log, findings, output);
  Summary summary;
  DescribeOwner(arguments, folder, summary);
  Describe(log.findings(), summary);
  summary.List("damage", findings.damage());
  return output.Write(arguments.json ? summary.Json() + "\n" : summary.Table());
}

}  // namespace regent::server
