// Any bytes as a list of URLs. Promises checked: what parses is sorted, each once, and parses again to the same from
// its own text; every error says something.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/config/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace server = regent::server;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto require = [](bool holds) {
    if (!holds) std::abort();
  };
  const auto urls = server::ParseUrls(text);
  if (!urls.ok()) {
    require(!urls.status().message().empty());
    return 0;
  }
  require(!urls->empty());
  for (size_t i = 0; i < urls->size(); ++i) {
    const server::Url& url = (*urls)[i];
    require(i == 0 || (*urls)[i - 1].text < url.text);
    const auto again = server::ParseUrl(url.text);
    require(again.ok() && *again == url);
    require(url.is_unix() || !url.host.empty() || url.port != 0 || server::CheckListenHost(url).ok() ||
            !server::CheckListenHost(url).message().empty());
  }
  const auto joined = server::ParseUrls(server::JoinUrls(*urls));
  require(joined.ok() && *joined == *urls);
  return 0;
}
