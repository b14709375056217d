#include "errors.hpp"

#include <cstring>

#include "libuv.hpp"

namespace tasjs {

napi_value systemError(napi_env env, int err, const char* syscall, const std::string& resource) {
  const std::string code = uv_err_name(-err);
  auto error = Napi::Error::New(env, code + ": " + std::strerror(err) + ", " + syscall + " '" + resource + "'");
  Napi::Object object = error.Value();
  object.Set("code", code);
  object.Set("errno", -err);
  object.Set("syscall", syscall);
  return object;
}

void throwSystem(Napi::Env env, int err, const char* syscall, const std::string& resource) {
  throw Napi::Error(env, systemError(env, err, syscall, resource));
}

napi_value raiseSystem(napi_env env, int err, const char* syscall, const std::string& resource) {
  Napi::HandleScope scope(env);
  napi_throw(env, systemError(env, err, syscall, resource));
  return nullptr;
}

napi_value raiseRange(napi_env env, const std::string& message) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message.c_str());
  return nullptr;
}

}  // namespace tasjs
