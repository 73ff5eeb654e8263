#include "api/service/call.h"

#include <iterator>
#include <utility>

namespace regent::api {

void Call::SendFrom(std::unique_ptr<MessageSource> source) {
  WireMessage whole;
  for (size_t read_bytes = 0; read_bytes < source->size_bytes();) {
    for (SharedBytes& piece : source->Next()) {
      read_bytes += piece->size();
      whole.push_back(std::move(piece));
    }
  }
  Send(std::move(whole));
}

}  // namespace regent::api
