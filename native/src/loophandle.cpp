#include "loophandle.hpp"

#include "modules.hpp"

namespace tasjs {

namespace {

using Shared = std::shared_ptr<LoopHandle>;
using Handle = Napi::External<Shared>;

const napi_type_tag kTag = {0x7461736a6c6f6f70, 0x6865723132333435};

void loopHandleClose(const Napi::CallbackInfo& info) { loopHandleArg(info).close(); }

void loopHandleRef(const Napi::CallbackInfo& info) {
  LoopHandle& handle = loopHandleArg(info);
  if (!handle.isClosing()) uv_ref(handle.handle());
}

void loopHandleUnref(const Napi::CallbackInfo& info) {
  LoopHandle& handle = loopHandleArg(info);
  if (!handle.isClosing()) uv_unref(handle.handle());
}

}  // namespace

LoopHandle::LoopHandle(napi_env env, int type)
    : env_(env), type_(type), memory_(uv_handle_size(type) / sizeof(std::max_align_t) + 1) {}

uv_loop_s* LoopHandle::loop() const {
  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(env_, &loop);
  return loop;
}

void LoopHandle::open(const Shared& self, Napi::Function callback) {
  self->handle()->data = new Shared(self);
  napi_create_reference(self->env_, callback, 1, &self->callback_);
  // Not the global object: where that has a property `domain`, Node takes it for a domain to enter.
  napi_create_reference(self->env_, Napi::Object::New(self->env_), 1, &self->receiver_);
  napi_add_async_cleanup_hook(self->env_, onCleanup, self.get(), &self->hook_);
}

Shared LoopHandle::of(uv_handle_s* handle) { return *static_cast<Shared*>(handle->data); }

void LoopHandle::call() {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value callback, receiver, result;
  napi_get_reference_value(env_, callback_, &callback);
  napi_get_reference_value(env_, receiver_, &receiver);
  const napi_env env = env_;
  if (napi_make_callback(env, nullptr, receiver, callback, 0, nullptr, &result) == napi_pending_exception) {
    napi_value exception;
    napi_get_and_clear_last_exception(env, &exception);
    napi_fatal_exception(env, exception);
  }
  napi_close_handle_scope(env, scope);
}

void LoopHandle::close() {
  if (closing_) return;
  closing_ = true;
  napi_delete_reference(env_, callback_);
  napi_delete_reference(env_, receiver_);
  uv_close(handle(), onClosed);
}

void LoopHandle::onClosed(uv_handle_s* handle) {
  const std::unique_ptr<Shared> held(static_cast<Shared*>(handle->data));
  napi_remove_async_cleanup_hook((*held)->hook_);
}

// The environment (worker thread or process) ends: it waits until onClosed has removed the hook.
void LoopHandle::onCleanup(napi_async_cleanup_hook_handle, void* data) { static_cast<LoopHandle*>(data)->close(); }

Napi::Value wrapLoopHandle(Napi::Env env, Shared shared) {
  auto handle = Handle::New(env, new Shared(std::move(shared)), [](Napi::Env, Shared* held) { delete held; });
  handle.TypeTag(&kTag);
  return handle;
}

LoopHandle& loopHandleArg(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal() || !info[0].As<Handle>().CheckTypeTag(&kTag)) {
    throw Napi::TypeError::New(info.Env(), "not a handle of the event loop");
  }
  return **info[0].As<Handle>().Data();
}

void initLoopHandle(Napi::Env env, Napi::Object exports) {
  exports.Set("loopHandleClose", Napi::Function::New(env, loopHandleClose));
  exports.Set("loopHandleRef", Napi::Function::New(env, loopHandleRef));
  exports.Set("loopHandleUnref", Napi::Function::New(env, loopHandleUnref));
}

}  // namespace tasjs
