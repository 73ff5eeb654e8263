// The parts of the crash client. Its record is a text file with one line for each acknowledged request, written before
// the writer goes on:
//
//   put KEY VALUE LEASE REVISION          delete KEY DELETED REVISION          lease ID TTL REVISION
//
// KEY and VALUE have no blanks; REVISION is the one of the answer's header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace regent::crash {

inline constexpr char kRange[] = "/etcdserverpb.KV/Range";
inline constexpr char kPut[] = "/etcdserverpb.KV/Put";
inline constexpr char kDelete[] = "/etcdserverpb.KV/DeleteRange";
inline constexpr char kGrant[] = "/etcdserverpb.Lease/LeaseGrant";
inline constexpr char kTimeToLive[] = "/etcdserverpb.Lease/LeaseTimeToLive";

struct Options {
  std::string endpoint;
  std::string record;            // file
  std::string prefix = "crash";  // of keys and values
  int writers = 64;
  int connections = 8;
  int seconds = 60;
  int64_t values = 0;          // of `sequence`
  int64_t after_revision = 0;  // of `verify`: every revision of the record must be above it
};

// The revision in the header (field 1) of a response.
int64_t HeaderRevision(const std::string& response);

// Writers put, delete and grant until their connection breaks or the time is over.
int Write(const Options& options);
// Puts one key again and again, one at a time, asking for the previous value; prints value and revision.
int Sequence(const Options& options);
// Is everything in the record still there?
int Verify(const Options& options);
// Waits until a linearizable read is answered, prints the header's revision.
int Ready(const Options& options);

}  // namespace regent::crash
