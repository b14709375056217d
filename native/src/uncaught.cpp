// Exceptions that nobody in JavaScript is to catch.
#include "modules.hpp"

namespace tasjs {

namespace {

// uncaught(exception): an uncaughtException, as if nobody had caught it
void uncaught(const Napi::CallbackInfo& info) { napi_fatal_exception(info.Env(), info[0]); }

}  // namespace

void initUncaught(Napi::Env env, Napi::Object exports) {
  exports.Set("uncaught", Napi::Function::New(env, uncaught));
}

}  // namespace tasjs
