// UTF-8 as Unicode defines it: no surrogates, no overlong forms, nothing above U+10FFFF.
#pragma once

#include <string_view>

namespace regent::api {

bool IsUtf8(std::string_view text);

}  // namespace regent::api
