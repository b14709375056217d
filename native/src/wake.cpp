// eventfd, timerfd, waiting, the clock.
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <memory>
#include <cerrno>
#include <ctime>

#include "args.hpp"
#include "modules.hpp"
#include "raw.hpp"

namespace tasjs {

namespace {

constexpr int kWaitMax = 31;

double clockUs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// nowUs(): number
napi_value nowUs(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_double(env, clockUs(), &result);
  return result;
}

// What a clock's tick writes to: low 32 bits of microseconds, low 32 bits of milliseconds.
struct Clock {
  int32_t* cell;
};

// tick()
napi_value tick(napi_env env, napi_callback_info info) {
  const auto us = static_cast<int64_t>(clockUs());
  int32_t* cell = static_cast<Clock*>(dataOf(env, info))->cell;
  cell[0] = static_cast<int32_t>(static_cast<uint32_t>(us));
  cell[1] = static_cast<int32_t>(static_cast<uint32_t>(us / 1000));
  return nullptr;
}

// clockCreate(cell): { tick }. `cell` has two words outside V8's heap; the result keeps it alive.
Napi::Value clockCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto cell = info[0].As<Napi::Int32Array>();
  if (cell.ElementLength() < 2) throw Napi::RangeError::New(env, "a clock's cell has two words");
  auto clock = std::make_unique<Clock>(Clock{cell.Data()});
  auto handle = Napi::Object::New(env);
  handle.Set("cell", cell);
  setFunction(env, handle, "tick", tick, clock.get());
  handle.AddFinalizer([](Napi::Env, Clock* held) { delete held; }, clock.release());
  return handle;
}

// yieldCpu(): number
napi_value yieldCpu(napi_env env, napi_callback_info) {
  const double before = clockUs();
  sched_yield();
  return number(env, static_cast<int32_t>(clockUs() - before));
}

// eventfdWrite(fd): the counter being full (EAGAIN) wakes as well
napi_value eventfdWrite(napi_env env, napi_callback_info info) {
  int32_t args[1];
  intArgs(env, info, args);
  const uint64_t one = 1;
  ssize_t written;
  do {
    written = write(args[0], &one, sizeof one);
  } while (written < 0 && errno == EINTR);
  if (written < 0 && errno != EAGAIN) return raiseSystem(env, errno, "write", fdName(args[0]));
  return nullptr;
}

// counterRead(fd): empties an eventfd or timerfd
napi_value counterRead(napi_env env, napi_callback_info info) {
  int32_t args[1];
  intArgs(env, info, args);
  uint64_t count;
  ssize_t length;
  do {
    length = read(args[0], &count, sizeof count);
  } while (length < 0 && errno == EINTR);
  if (length < 0 && errno != EAGAIN) return raiseSystem(env, errno, "read", fdName(args[0]));
  return nullptr;
}

// timerArm(fd, deltaUs: double): 0 disarms
napi_value timerArm(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, args, nullptr, nullptr);
  int32_t fd = -1;
  double deltaUs = 0;
  napi_get_value_int32(env, args[0], &fd);
  napi_get_value_double(env, args[1], &deltaUs);
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(deltaUs / 1e6);
  when.it_value.tv_nsec = static_cast<long>((deltaUs - static_cast<double>(when.it_value.tv_sec) * 1e6) * 1e3);
  if (timerfd_settime(fd, 0, &when, nullptr) != 0) return raiseSystem(env, errno, "timerfd_settime", fdName(fd));
  return nullptr;
}

// A socket that reports an error polls ready until somebody reads it: read it, or the waiter spins.
void clearError(const pollfd& entry) {
  if ((entry.revents & POLLERR) == 0) return;
  int err;
  socklen_t length = sizeof err;
  getsockopt(entry.fd, SOL_SOCKET, SO_ERROR, &err, &length);
}

// waitReadable(fds: Int32Array, count, timeoutUs: double): number
napi_value waitReadable(napi_env env, napi_callback_info info) {
  napi_value args[3];
  size_t given = 3;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type type = napi_int8_array;
  int32_t count = 0;
  double timeoutUs = 0;
  napi_get_typedarray_info(env, args[0], &type, &length, &data, nullptr, nullptr);
  napi_get_value_int32(env, args[1], &count);
  napi_get_value_double(env, args[2], &timeoutUs);
  if (type != napi_int32_array || count < 0 || count > kWaitMax || static_cast<size_t>(count) > length) {
    return raiseRange(env, "waitReadable: an Int32Array with count (at most 31) descriptors is wanted");
  }
  pollfd entries[kWaitMax];
  for (int i = 0; i < count; i++) entries[i] = {static_cast<int32_t*>(data)[i], POLLIN, 0};
  timespec timeout;
  timeout.tv_sec = static_cast<time_t>(timeoutUs / 1e6);
  timeout.tv_nsec = static_cast<long>((timeoutUs - static_cast<double>(timeout.tv_sec) * 1e6) * 1e3);
  const int ready = ppoll(entries, static_cast<nfds_t>(count), timeoutUs < 0 ? nullptr : &timeout, nullptr);
  if (ready < 0 && errno != EINTR) return raiseSystem(env, errno, "ppoll", "descriptors");
  int32_t mask = 0;
  for (int i = 0; ready > 0 && i < count; i++) {
    if ((entries[i].revents & POLLNVAL) != 0) return raiseSystem(env, EBADF, "ppoll", fdName(entries[i].fd));
    if (entries[i].revents == 0) continue;
    mask |= 1 << i;
    clearError(entries[i]);
  }
  return number(env, mask);
}

// eventfdCreate(): number
Napi::Value eventfdCreate(const Napi::CallbackInfo& info) {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) throwSystem(info.Env(), errno, "eventfd", "eventfd");
  return Napi::Number::New(info.Env(), fd);
}

// timerfdCreate(): number
Napi::Value timerfdCreate(const Napi::CallbackInfo& info) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) throwSystem(info.Env(), errno, "timerfd_create", "timerfd");
  return Napi::Number::New(info.Env(), fd);
}

}  // namespace

void initWake(Napi::Env env, Napi::Object exports) {
  exports.Set("eventfdCreate", Napi::Function::New(env, eventfdCreate));
  exports.Set("timerfdCreate", Napi::Function::New(env, timerfdCreate));
  exports.Set("clockCreate", Napi::Function::New(env, clockCreate));
  setFunction(env, exports, "nowUs", nowUs);
  setFunction(env, exports, "yieldCpu", yieldCpu);
  setFunction(env, exports, "eventfdWrite", eventfdWrite);
  setFunction(env, exports, "counterRead", counterRead);
  setFunction(env, exports, "timerArm", timerArm);
  setFunction(env, exports, "waitReadable", waitReadable);
}

}  // namespace tasjs
