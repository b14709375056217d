// Network interfaces by name.
#pragma once

#include <napi.h>

#include <array>
#include <string>

namespace tasjs {

struct Interface {
  int index;
  std::array<uint8_t, 6> mac;
  int mtu;
  bool up;
};

// Throws ENODEV if there is none of that name.
Interface interfaceByName(Napi::Env env, const std::string& name);
void setInterfaceUp(Napi::Env env, const std::string& name);
void setInterfaceMac(Napi::Env env, const std::string& name, const uint8_t* mac);

// A Uint8Array of six bytes.
std::array<uint8_t, 6> macArg(Napi::Env env, const Napi::Value& value);

}  // namespace tasjs
