// Sets of kernel descriptors (epoll).
#include <sys/epoll.h>

#include <cerrno>

#include "args.hpp"
#include "modules.hpp"
#include "raw.hpp"

namespace tasjs {

namespace {

constexpr int kTakeMax = 64;

// epollCreate(): number
Napi::Value epollCreate(const Napi::CallbackInfo& info) {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throwSystem(info.Env(), errno, "epoll_create1", "epoll");
  return Napi::Number::New(info.Env(), fd);
}

// epollControl(epollFd, operation, fd, events)
napi_value epollControl(napi_env env, napi_callback_info info) {
  int32_t args[4];
  intArgs(env, info, args);
  epoll_event event{};
  event.events = static_cast<uint32_t>(args[3]);
  event.data.fd = args[2];
  if (epoll_ctl(args[0], args[1], args[2], &event) != 0) return raiseSystem(env, errno, "epoll_ctl", fdName(args[2]));
  return nullptr;
}

// epollTake(epollFd, out: Int32Array, max): number. Does not wait. `out` gets two words for each: descriptor, events.
napi_value epollTake(napi_env env, napi_callback_info info) {
  napi_value args[3];
  size_t given = 3;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int32_t epollFd = -1, max = 0;
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type type = napi_int8_array;
  napi_get_value_int32(env, args[0], &epollFd);
  napi_get_value_int32(env, args[2], &max);
  napi_get_typedarray_info(env, args[1], &type, &length, &data, nullptr, nullptr);
  if (type != napi_int32_array || max < 1 || max > kTakeMax || static_cast<size_t>(max) > length / 2) {
    return raiseRange(env, "epollTake: an Int32Array with two words for each of max (1 to 64) events is wanted");
  }
  epoll_event events[kTakeMax];
  int taken;
  do {
    taken = epoll_wait(epollFd, events, max, 0);
  } while (taken < 0 && errno == EINTR);
  if (taken < 0) return raiseSystem(env, errno, "epoll_wait", fdName(epollFd));
  auto* out = static_cast<int32_t*>(data);
  for (int i = 0; i < taken; i++) {
    out[2 * i] = events[i].data.fd;
    out[2 * i + 1] = static_cast<int32_t>(events[i].events);
  }
  return number(env, taken);
}

}  // namespace

void initKernelPoll(Napi::Env env, Napi::Object exports) {
  exports.Set("epollCreate", Napi::Function::New(env, epollCreate));
  setFunction(env, exports, "epollControl", epollControl);
  setFunction(env, exports, "epollTake", epollTake);
}

}  // namespace tasjs
