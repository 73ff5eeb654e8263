#include "storage/members.h"

#include <algorithm>
#include <utility>

#include "api/contract/key_range.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/keys.h"
#include "storage/row_reader.h"

namespace regent::storage {
namespace {

std::string MemberRow(std::string_view prefix, uint64_t id) {
  std::string row(prefix);
  AppendBigEndian64(row, id);
  return row;
}

void AppendText(std::string& out, std::string_view text) {
  api::AppendVarint(out, text.size());
  out.append(text);
}

void AppendTexts(std::string& out, const std::vector<std::string>& texts) {
  api::AppendVarint(out, texts.size());
  for (const std::string& text : texts) AppendText(out, text);
}

// False: cut off.
bool ReadText(RowReader& reader, std::string& text) {
  const uint64_t size = reader.Varint();
  const std::string_view rest = reader.rest();
  if (reader.malformed() || size > rest.size()) return false;
  text = rest.substr(0, size);
  reader = RowReader(rest.substr(size));
  return true;
}

bool ReadTexts(RowReader& reader, std::vector<std::string>& texts) {
  const uint64_t count = reader.Varint();
  if (reader.malformed() || count > reader.rest().size()) return false;  // each has a byte at least
  texts.resize(count);
  return std::all_of(texts.begin(), texts.end(), [&](std::string& text) { return ReadText(reader, text); });
}

// Calls `visit` with the id and the value of each row that begins with `prefix`.
template <typename Visit>
void VisitRows(const Engine& engine, std::string_view prefix, Visit visit) {
  const std::unique_ptr<RowIterator> row = engine.Iterate(api::PrefixEnd(prefix), Scope::kRange);
  for (row->Seek(prefix); row->Valid(); row->Next()) {
    const std::string_view id = row->row().substr(prefix.size());
    CHECK_EQ(id.size(), 8u) << "a row of a member of an unknown form";
    visit(ReadBigEndian64(id), row->value());
  }
}

}  // namespace

std::string EncodeMemberRow(const api::Member& member) {
  std::string value;
  AppendText(value, member.name);
  AppendTexts(value, member.peer_urls);
  AppendTexts(value, member.client_urls);
  if (member.incarnation != 0) AppendBigEndian64(value, member.incarnation);
  if (member.awaits_vote) value.push_back(1);
  return value;
}

std::optional<api::Member> ParseMemberRow(uint64_t id, std::string_view value) {
  RowReader reader(value);
  api::Member member{.id = id};
  const bool texts =
      ReadText(reader, member.name) && ReadTexts(reader, member.peer_urls) && ReadTexts(reader, member.client_urls);
  std::string_view rest = reader.rest();
  if (!texts || rest.size() > sizeof member.incarnation + 1) return std::nullopt;
  if (rest.size() >= sizeof member.incarnation) {
    member.incarnation = ReadBigEndian64(rest);
    rest.remove_prefix(sizeof member.incarnation);
    if (member.incarnation == 0) return std::nullopt;
  }
  if (rest.empty()) return member;
  if (rest != "\1") return std::nullopt;
  member.awaits_vote = true;
  return member;
}

Members::Members(const Engine& engine) {
  VisitRows(engine, kMemberRows, [this](uint64_t id, std::string_view value) {
    std::optional<api::Member> member = ParseMemberRow(id, value);
    CHECK(member.has_value()) << "the row of member " << id << " is malformed";
    members_.emplace(id, *std::move(member));
  });
  VisitRows(engine, kRemovedMemberRows, [this](uint64_t id, std::string_view) { removed_.insert(id); });
}

void Members::Put(api::Member member, Batch& batch) {
  batch.Put(MemberRow(kMemberRows, member.id), EncodeMemberRow(member));
  const uint64_t id = member.id;
  members_.insert_or_assign(id, std::move(member));
}

void Members::Remove(uint64_t id, Batch& batch) {
  batch.Delete(MemberRow(kMemberRows, id));
  batch.Put(MemberRow(kRemovedMemberRows, id), "");
  members_.erase(id);
  removed_.insert(id);
}

}  // namespace regent::storage
