// Watches a descriptor in Node's own event loop.
#include <sys/socket.h>

#include "args.hpp"
#include "loophandle.hpp"
#include "modules.hpp"

namespace tasjs {

namespace {

class FdWatcher : public LoopHandle {
 public:
  FdWatcher(napi_env env, int fd) : LoopHandle(env, kUvPoll), fd_(fd) {}

  int start() { return uv_poll_start(handle(), kUvReadable, onReadable); }

 private:
  static void onReadable(uv_handle_s* handle, int status, int) {
    const auto watcher = std::static_pointer_cast<FdWatcher>(of(handle));
    if (status < 0) watcher->resume();
    watcher->call();
  }

  // libuv stops a watcher whose descriptor reports an error. Read the error, go on: the reader finds out.
  void resume() {
    int err;
    socklen_t length = sizeof err;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &err, &length);
    start();
  }

  int fd_;
};

// watcherCreate(fd, callback): handle
Napi::Value watcherCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intArg(info, 0, "fd");
  if (!info[1].IsFunction()) throw Napi::TypeError::New(env, "onReadable must be a function");
  const auto watcher = std::make_shared<FdWatcher>(env, fd);
  const int err = uv_poll_init(watcher->loop(), watcher->handle(), fd);
  if (err != 0) throwSystem(env, -err, "uv_poll_init", fdName(fd));
  LoopHandle::open(watcher, info[1].As<Napi::Function>());
  const int started = watcher->start();
  if (started != 0) {
    watcher->close();
    throwSystem(env, -started, "uv_poll_start", fdName(fd));
  }
  return wrapLoopHandle(env, watcher);
}

}  // namespace

void initFdWatcher(Napi::Env env, Napi::Object exports) {
  exports.Set("watcherCreate", Napi::Function::New(env, watcherCreate));
}

}  // namespace tasjs
