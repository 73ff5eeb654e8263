#include "server/peer/note_codec.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/contract/wire.h"
#include "raft/configuration.h"
#include "storage/row_reader.h"

namespace regent::server {
namespace {

using api::AppendVarint;
using storage::RowReader;

enum class Kind : uint8_t {
  kForwardedWrites = 1,
  kWriteRefused = 2,
  kLeaseQuestion = 3,
  kLeaseAnswer = 4,
  kSnapshotOffer = 5,
  kSnapshotFetch = 6,
  kSnapshotPiece = 7,
  kSnapshotEnd = 8
};

// ---- writing -------------------------------------------------------------------------------------------------------

template <typename Enum>
void AppendEnum(std::string& out, Enum value) {
  out.push_back(static_cast<char>(value));
}

void AppendSigned(std::string& out, int64_t value) {
  AppendVarint(out, static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
}

void AppendText(std::string& out, std::string_view text) {
  AppendVarint(out, text.size());
  out.append(text);
}

void AppendTexts(std::string& out, const std::vector<std::string>& texts) {
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size() + 10;
  out.reserve(out.size() + bytes + 10);
  AppendVarint(out, texts.size());
  for (const std::string& text : texts) AppendText(out, text);
}

struct Writer {
  std::string& out;

  void operator()(const ForwardedWrites& note) const {
    AppendEnum(out, Kind::kForwardedWrites);
    AppendTexts(out, note.commands);
  }
  void operator()(const WriteRefused& note) const {
    AppendEnum(out, Kind::kWriteRefused);
    AppendVarint(out, note.sequence);
    AppendEnum(out, note.why.code());
    AppendText(out, std::string(note.why.message()));
  }
  void operator()(const LeaseQuestion& note) const {
    AppendEnum(out, Kind::kLeaseQuestion);
    AppendVarint(out, note.number);
    AppendEnum(out, note.kind);
    AppendSigned(out, note.lease.value);
  }
  void operator()(const LeaseAnswer& note) const {
    AppendEnum(out, Kind::kLeaseAnswer);
    AppendVarint(out, note.number);
    AppendEnum(out, note.outcome);
    AppendSigned(out, note.ttl);
    AppendSigned(out, note.granted_ttl);
    AppendTexts(out, note.keys);
  }
  void operator()(const SnapshotOffer& note) const {
    AppendEnum(out, Kind::kSnapshotOffer);
    const storage::SnapshotFacts& facts = note.facts;
    for (const uint64_t number :
         {note.number, note.term.value, facts.index.value, facts.term.value, facts.configuration.index.value}) {
      AppendVarint(out, number);
    }
    AppendText(out, raft::Encode(raft::ConfigurationEntry{.configuration = facts.configuration.configuration}));
    AppendVarint(out, note.files.size());
    for (const storage::SnapshotFile& file : note.files) {
      AppendText(out, file.name);
      AppendVarint(out, file.bytes);
    }
  }
  void operator()(const SnapshotFetch& note) const {
    AppendEnum(out, Kind::kSnapshotFetch);
    for (const uint64_t number : {note.number, note.file, note.offset}) AppendVarint(out, number);
  }
  void operator()(const SnapshotPiece& note) const {
    out.reserve(out.size() + note.bytes.size() + 50);
    AppendEnum(out, Kind::kSnapshotPiece);
    for (const uint64_t number : {note.number, note.file, note.offset}) AppendVarint(out, number);
    AppendText(out, note.bytes);
  }
  void operator()(const SnapshotEnd& note) const {
    AppendEnum(out, Kind::kSnapshotEnd);
    AppendVarint(out, note.number);
    AppendEnum(out, note.installed);
  }
};

// ---- reading -------------------------------------------------------------------------------------------------------

constexpr uint64_t kTextsMax = 1 << 20;  // of one note: a text takes more memory than its bytes here

// After the first thing that cannot be `bad` stays set and every answer is empty.
struct Reader {
  RowReader rest;
  bool bad = false;

  uint64_t Varint() { return rest.Varint(); }
  int64_t Signed() {
    const uint64_t value = rest.Varint();
    return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }
  template <typename Enum>
  Enum EnumByte(Enum last) {
    const uint8_t value = rest.Byte();
    bad = bad || value > static_cast<uint8_t>(last);
    return bad ? Enum{} : static_cast<Enum>(value);
  }
  std::string Text() {
    const uint64_t bytes = rest.Varint();
    const std::string_view left = rest.rest();
    bad = failed() || bytes > left.size();
    if (bad) return {};
    rest = RowReader(left.substr(bytes));
    return std::string(left.substr(0, bytes));
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts;
    const uint64_t count = rest.Varint();
    bad = failed() || count > rest.rest().size() || count > kTextsMax;  // each has a byte at least
    for (uint64_t i = 0; i < count && !bad; ++i) texts.push_back(Text());
    return texts;
  }
  // An error that is none would be an answer that nobody gave.
  absl::Status Error() {
    const uint8_t code = rest.Byte();
    bad = bad || code == 0 || code > static_cast<uint8_t>(absl::StatusCode::kUnauthenticated);
    const std::string text = Text();
    return absl::Status(static_cast<absl::StatusCode>(code), text);
  }
  SnapshotOffer Offer() {
    SnapshotOffer offer;
    offer.number = Varint(), offer.term.value = Varint();
    offer.facts.index.value = Varint(), offer.facts.term.value = Varint();
    offer.facts.configuration.index.value = Varint();
    const std::optional<raft::ConfigurationEntry> configuration = raft::DecodeConfigurationEntry(Text());
    bad = bad || !configuration.has_value();
    if (bad) return offer;
    offer.facts.configuration.configuration = configuration->configuration;
    const uint64_t count = Varint();
    bad = failed() || count > rest.rest().size() || count > storage::kSnapshotFilesMax;
    for (uint64_t i = 0; i < count && !bad; ++i) {
      storage::SnapshotFile file{.name = Text()};
      file.bytes = Varint();
      offer.files.push_back(std::move(file));
      bad = failed();
    }
    return offer;
  }
  bool failed() const { return bad || rest.malformed(); }
};

PeerNote ReadNote(Reader& reader) {
  // Braces evaluate their elements in order.
  switch (reader.EnumByte(Kind::kSnapshotEnd)) {
    case Kind::kForwardedWrites:
      return ForwardedWrites{.commands = reader.Texts()};
    case Kind::kWriteRefused:
      return WriteRefused{.sequence = reader.Varint(), .why = reader.Error()};
    case Kind::kLeaseQuestion:
      return LeaseQuestion{.number = reader.Varint(),
                           .kind = reader.EnumByte(LeaseQuestion::Kind::kTimeToLiveAndKeys),
                           .lease = {reader.Signed()}};
    case Kind::kLeaseAnswer:
      return LeaseAnswer{.number = reader.Varint(),
                         .outcome = reader.EnumByte(LeaseAnswer::Outcome::kStopped),
                         .ttl = reader.Signed(),
                         .granted_ttl = reader.Signed(),
                         .keys = reader.Texts()};
    case Kind::kSnapshotOffer:
      return reader.Offer();
    case Kind::kSnapshotFetch:
      return SnapshotFetch{.number = reader.Varint(), .file = reader.Varint(), .offset = reader.Varint()};
    case Kind::kSnapshotPiece:
      return SnapshotPiece{
          .number = reader.Varint(), .file = reader.Varint(), .offset = reader.Varint(), .bytes = reader.Text()};
    case Kind::kSnapshotEnd:
      return SnapshotEnd{.number = reader.Varint(), .installed = reader.EnumByte(uint8_t{1}) != 0};
  }
  reader.bad = true;
  return ForwardedWrites{};
}

}  // namespace

void AppendNote(std::string& out, const PeerNote& note) { std::visit(Writer{out}, note); }

absl::StatusOr<PeerNote> DecodeNote(std::string_view payload) {
  Reader reader{RowReader(payload)};
  PeerNote note = ReadNote(reader);
  if (reader.failed()) {
    return absl::InvalidArgumentError(absl::StrCat("a malformed note of ", payload.size(), " bytes"));
  }
  if (!reader.rest.rest().empty()) return absl::InvalidArgumentError("a note with bytes behind its end");
  return note;
}

}  // namespace regent::server
