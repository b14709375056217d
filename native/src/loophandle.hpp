// A handle of libuv in Node's own event loop that calls JavaScript.
//
// Three may hold one: the JavaScript object (an External), libuv until its close callback has run,
// and the clean-up hook of the environment. The memory goes when the first two have let go.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "libuv.hpp"

namespace tasjs {

class LoopHandle {
 public:
  // `type`: a uv_handle_type. `open` is called once the rest is there.
  LoopHandle(napi_env env, int type);
  LoopHandle(const LoopHandle&) = delete;
  LoopHandle& operator=(const LoopHandle&) = delete;

  uv_handle_s* handle() { return reinterpret_cast<uv_handle_s*>(memory_.data()); }
  uv_loop_s* loop() const;
  int type() const { return type_; }
  bool isClosing() const { return closing_; }

  // libuv has initialized handle(), which holds `self` from now on; `callback` is what call() calls.
  static void open(const std::shared_ptr<LoopHandle>& self, Napi::Function callback);
  static std::shared_ptr<LoopHandle> of(uv_handle_s* handle);

  // Calls the callback in no async context, as libuv calls Node, and runs ticks and microtasks behind it.
  // An exception, also of these, becomes an uncaughtException. The callback may close the handle: hold it meanwhile.
  void call();
  void close();

 private:
  static void onClosed(uv_handle_s* handle);
  static void onCleanup(napi_async_cleanup_hook_handle, void* data);

  napi_env env_;
  int type_;
  napi_ref callback_ = nullptr;
  napi_ref receiver_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool closing_ = false;
  std::vector<std::max_align_t> memory_;  // libuv says at run time how large a handle is
};

// The JavaScript object that holds `handle`; loopHandleClose, loopHandleRef and loopHandleUnref take it.
Napi::Value wrapLoopHandle(Napi::Env env, std::shared_ptr<LoopHandle> handle);
// Argument 0. Throws TypeError if it is something else.
LoopHandle& loopHandleArg(const Napi::CallbackInfo& info);

}  // namespace tasjs
