// Watches a descriptor in Node's own event loop.
//
// Three may hold a Watcher: the JavaScript object (an External), libuv until its close callback has run,
// and the clean-up hook of the environment. The memory goes when the first two have let go.
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "args.hpp"
#include "libuv.hpp"
#include "modules.hpp"

namespace tasjs {

namespace {

struct Watcher {
  napi_env env = nullptr;
  int fd = -1;
  napi_ref callback = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  bool closing = false;
  std::vector<std::max_align_t> memory;  // libuv says at run time how large a handle is

  Watcher() : memory(uv_handle_size(kUvPoll) / sizeof(std::max_align_t) + 1) {}
  uv_handle_s* handle() { return reinterpret_cast<uv_handle_s*>(memory.data()); }
};

using Shared = std::shared_ptr<Watcher>;
using Handle = Napi::External<Shared>;

const napi_type_tag kTag = {0x7461736a77617463, 0x6865723132333435};

Shared& watcherOf(uv_handle_s* handle) { return *static_cast<Shared*>(handle->data); }

void onReadable(uv_handle_s* handle, int status, int events);

// libuv stops a watcher whose descriptor reports an error. Read the error, go on: the reader finds out.
void resume(Watcher& watcher) {
  int err;
  socklen_t length = sizeof err;
  getsockopt(watcher.fd, SOL_SOCKET, SO_ERROR, &err, &length);
  uv_poll_start(watcher.handle(), kUvReadable, onReadable);
}

void onReadable(uv_handle_s* handle, int status, int) {
  const Shared watcher = watcherOf(handle);  // the callback may close it
  const napi_env env = watcher->env;
  if (status < 0) resume(*watcher);
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback, global, result;
  napi_get_reference_value(env, watcher->callback, &callback);
  napi_get_global(env, &global);
  // Runs nextTicks and microtasks behind the callback.
  if (napi_make_callback(env, watcher->context, global, callback, 0, nullptr, &result) == napi_pending_exception) {
    napi_value exception;
    napi_get_and_clear_last_exception(env, &exception);
    napi_fatal_exception(env, exception);
  }
  napi_close_handle_scope(env, scope);
}

void onClosed(uv_handle_s* handle) {
  const std::unique_ptr<Shared> held(static_cast<Shared*>(handle->data));
  napi_remove_async_cleanup_hook((*held)->hook);
}

void closeWatcher(Watcher& watcher) {
  if (watcher.closing) return;
  watcher.closing = true;
  napi_delete_reference(watcher.env, watcher.callback);
  napi_async_destroy(watcher.env, watcher.context);
  uv_close(watcher.handle(), onClosed);
}

// The environment (worker thread or process) ends: it waits until onClosed has removed the hook.
void onCleanup(napi_async_cleanup_hook_handle, void* data) {
  closeWatcher(*static_cast<Watcher*>(data));
}

Watcher& watcherArg(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal() || !info[0].As<Handle>().CheckTypeTag(&kTag)) {
    throw Napi::TypeError::New(info.Env(), "not a watcher");
  }
  return **info[0].As<Handle>().Data();
}

// watcherCreate(fd, callback): handle
Napi::Value watcherCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intArg(info, 0, "fd");
  if (!info[1].IsFunction()) throw Napi::TypeError::New(env, "onReadable must be a function");
  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto watcher = std::make_shared<Watcher>();
  watcher->env = env;
  watcher->fd = fd;
  const int err = uv_poll_init(loop, watcher->handle(), fd);
  if (err != 0) throwSystem(env, -err, "uv_poll_init", fdName(fd));
  watcher->handle()->data = new Shared(watcher);
  napi_create_reference(env, info[1], 1, &watcher->callback);
  napi_async_init(env, nullptr, Napi::String::New(env, "tasjs.FdWatcher"), &watcher->context);
  napi_add_async_cleanup_hook(env, onCleanup, watcher.get(), &watcher->hook);
  const int started = uv_poll_start(watcher->handle(), kUvReadable, onReadable);
  if (started != 0) {
    closeWatcher(*watcher);
    throwSystem(env, -started, "uv_poll_start", fdName(fd));
  }
  auto handle = Handle::New(env, new Shared(watcher), [](Napi::Env, Shared* held) { delete held; });
  handle.TypeTag(&kTag);
  return handle;
}

void watcherClose(const Napi::CallbackInfo& info) { closeWatcher(watcherArg(info)); }

void watcherRef(const Napi::CallbackInfo& info) {
  Watcher& watcher = watcherArg(info);
  if (!watcher.closing) uv_ref(watcher.handle());
}

void watcherUnref(const Napi::CallbackInfo& info) {
  Watcher& watcher = watcherArg(info);
  if (!watcher.closing) uv_unref(watcher.handle());
}

}  // namespace

void initFdWatcher(Napi::Env env, Napi::Object exports) {
  exports.Set("watcherCreate", Napi::Function::New(env, watcherCreate));
  exports.Set("watcherClose", Napi::Function::New(env, watcherClose));
  exports.Set("watcherRef", Napi::Function::New(env, watcherRef));
  exports.Set("watcherUnref", Napi::Function::New(env, watcherUnref));
}

}  // namespace tasjs
