// Turns of Node's own event loop: a call in each, where it is about to look at descriptors, which it then does without waiting.
#include "args.hpp"
#include "loophandle.hpp"
#include "modules.hpp"

namespace tasjs {

namespace {

void onTurn(uv_handle_s* handle) {
  const auto held = LoopHandle::of(handle);
  held->call();
}

// turnsCreate(callback): handle
Napi::Value turnsCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsFunction()) throw Napi::TypeError::New(env, "onTurn must be a function");
  const auto turns = std::make_shared<LoopHandle>(env, kUvIdle);
  uv_idle_init(turns->loop(), turns->handle());  // documented never to fail, like start and stop
  LoopHandle::open(turns, info[0].As<Napi::Function>());
  return wrapLoopHandle(env, turns);
}

LoopHandle& turnsArg(const Napi::CallbackInfo& info) {
  LoopHandle& turns = loopHandleArg(info);
  if (turns.type() != kUvIdle) throw Napi::TypeError::New(info.Env(), "not turns");
  return turns;
}

void turnsStart(const Napi::CallbackInfo& info) {
  LoopHandle& turns = turnsArg(info);
  if (!turns.isClosing()) uv_idle_start(turns.handle(), onTurn);
}

void turnsStop(const Napi::CallbackInfo& info) {
  LoopHandle& turns = turnsArg(info);
  if (!turns.isClosing()) uv_idle_stop(turns.handle());
}

}  // namespace

void initLoopTurns(Napi::Env env, Napi::Object exports) {
  exports.Set("turnsCreate", Napi::Function::New(env, turnsCreate));
  exports.Set("turnsStart", Napi::Function::New(env, turnsStart));
  exports.Set("turnsStop", Napi::Function::New(env, turnsStop));
}

}  // namespace tasjs
