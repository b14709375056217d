// Descriptors that JavaScript holds as mere numbers: closed when their thread ends without having closed them. A thread that is terminated runs no
// JavaScript any more, and what it leaves open would stay open in the process.
#include <memory>
#include <vector>

#include "args.hpp"
#include "modules.hpp"

namespace tasjs {

namespace {

struct HeldFds {
  napi_env env = nullptr;
  std::vector<int> own;
  // Closed by the last of the threads that are counted in *users.
  std::vector<int> shared;
  int32_t* users = nullptr;
  napi_ref usersRef = nullptr;  // keeps *users where it is
  bool dropped = false;
};

// Held by JavaScript (an External) and by the clean-up hook of the environment.
using Shared = std::shared_ptr<HeldFds>;
using Handle = Napi::External<Shared>;

const napi_type_tag kTag = {0x7461736a68656c64, 0x6664736666647366};

void closeAll(std::vector<int>& fds) {
  for (const int fd : fds) ::close(fd);
  fds.clear();
}

void onEnd(void* data) {
  const std::unique_ptr<Shared> held(static_cast<Shared*>(data));
  HeldFds& fds = **held;
  if (fds.dropped) return;
  closeAll(fds.own);
  if (__atomic_fetch_sub(fds.users, 1, __ATOMIC_SEQ_CST) == 1) closeAll(fds.shared);
}

HeldFds& heldArg(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal() || !info[0].As<Handle>().CheckTypeTag(&kTag)) throw Napi::TypeError::New(info.Env(), "not held descriptors");
  return **info[0].As<Handle>().Data();
}

// fdsHold(fds, users: Int32Array): handle
Napi::Value fdsHold(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) throw Napi::TypeError::New(env, "fds must be an array");
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    throw Napi::TypeError::New(env, "users must be an Int32Array");
  }
  auto held = std::make_shared<HeldFds>();
  held->env = env;
  const auto fds = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < fds.Length(); i++) held->shared.push_back(fds.Get(i).ToNumber().Int32Value());
  auto users = info[1].As<Napi::Int32Array>();
  if (users.ElementLength() < 1) throw Napi::RangeError::New(env, "users must have an element");
  held->users = users.Data();
  napi_create_reference(env, info[1], 1, &held->usersRef);
  napi_add_env_cleanup_hook(env, onEnd, new Shared(held));
  auto handle = Handle::New(env, new Shared(held), [](Napi::Env, Shared* shared) { delete shared; });
  handle.TypeTag(&kTag);
  return handle;
}

// fdsAdd(handle, fd): one that is this thread's alone.
void fdsAdd(const Napi::CallbackInfo& info) { heldArg(info).own.push_back(intArg(info, 1, "fd")); }

// fdsRemove(handle, fd): it has been closed.
void fdsRemove(const Napi::CallbackInfo& info) {
  auto& own = heldArg(info).own;
  const int fd = intArg(info, 1, "fd");
  for (size_t i = 0; i < own.size(); i++) {
    if (own[i] != fd) continue;
    own.erase(own.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

// fdsDrop(handle): JavaScript closes them all, and counts itself out.
void fdsDrop(const Napi::CallbackInfo& info) {
  HeldFds& held = heldArg(info);
  if (held.dropped) return;
  held.dropped = true;
  napi_delete_reference(held.env, held.usersRef);
}

}  // namespace

void initHeldFds(Napi::Env env, Napi::Object exports) {
  exports.Set("fdsHold", Napi::Function::New(env, fdsHold));
  exports.Set("fdsAdd", Napi::Function::New(env, fdsAdd));
  exports.Set("fdsRemove", Napi::Function::New(env, fdsRemove));
  exports.Set("fdsDrop", Napi::Function::New(env, fdsDrop));
}

}  // namespace tasjs
