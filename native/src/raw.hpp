// Raw Node-API for hot calls: no C++ objects, no exceptions, no allocation.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

namespace tasjs {

// Reads `N` integer arguments. What is missing or no number is left 0: hot callers are our own files.
template <size_t N>
inline void intArgs(napi_env env, napi_callback_info info, int32_t (&out)[N], void** data = nullptr) {
  napi_value args[N];
  size_t count = N;
  napi_get_cb_info(env, info, &count, args, nullptr, data);
  for (size_t i = 0; i < N; i++) {
    out[i] = 0;
    if (i < count) napi_get_value_int32(env, args[i], &out[i]);
  }
}

// The pointer that a function was made with.
inline void* dataOf(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return data;
}

inline napi_value number(napi_env env, int32_t value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

// Sets a function property of `object`. `data` must live as long as the object.
inline void setFunction(napi_env env, napi_value object, const char* name, napi_callback callback, void* data = nullptr) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function);
  napi_set_named_property(env, object, name, function);
}

}  // namespace tasjs
