// Bytes copied from one array to another.
#include <cstring>
#include <string>

#include "errors.hpp"
#include "modules.hpp"
#include "raw.hpp"

namespace tasjs {

namespace {

// Start of a Uint8Array that has `length` bytes from `offset` on; nullptr otherwise.
uint8_t* bytesAt(napi_env env, napi_value array, int32_t offset, int32_t length) {
  void* data = nullptr;
  size_t size = 0;
  napi_typedarray_type type = napi_int8_array;
  napi_get_typedarray_info(env, array, &type, &size, &data, nullptr, nullptr);
  if (type != napi_uint8_array || offset < 0 || length < 0) return nullptr;
  if (static_cast<size_t>(offset) + static_cast<size_t>(length) > size) return nullptr;
  return static_cast<uint8_t*>(data) + offset;
}

// copyBytes(target, targetOffset, source, sourceOffset, length)
napi_value copyBytes(napi_env env, napi_callback_info info) {
  napi_value args[5];
  size_t given = 5;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int32_t targetOffset = 0, sourceOffset = 0, length = 0;
  napi_get_value_int32(env, args[1], &targetOffset);
  napi_get_value_int32(env, args[3], &sourceOffset);
  napi_get_value_int32(env, args[4], &length);
  uint8_t* target = bytesAt(env, args[0], targetOffset, length);
  const uint8_t* source = bytesAt(env, args[2], sourceOffset, length);
  if (target == nullptr || source == nullptr) {
    return raiseRange(env, "copyBytes: " + std::to_string(length) + " bytes do not fit both Uint8Arrays");
  }
  if (length > 0) std::memmove(target, source, static_cast<size_t>(length));
  return nullptr;
}

}  // namespace

void initCopy(Napi::Env env, Napi::Object exports) { setFunction(env, exports, "copyBytes", copyBytes); }

}  // namespace tasjs
