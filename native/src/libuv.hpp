// The handful of libuv functions that are used, declared here because node-api-headers has no uv.h.
// Node exports them to addons; names, arguments and the numbers below are stable throughout libuv 1.x.
#pragma once

#include <cstddef>

extern "C" {
struct uv_loop_s;
struct uv_handle_s {
  void* data;  // documented as the first member of every handle
};

int uv_poll_init(uv_loop_s* loop, uv_handle_s* handle, int fd);
int uv_poll_start(uv_handle_s* handle, int events, void (*callback)(uv_handle_s*, int status, int events));
int uv_idle_init(uv_loop_s* loop, uv_handle_s* handle);
int uv_idle_start(uv_handle_s* handle, void (*callback)(uv_handle_s*));
int uv_idle_stop(uv_handle_s* handle);
void uv_close(uv_handle_s* handle, void (*callback)(uv_handle_s*));
void uv_ref(uv_handle_s* handle);
void uv_unref(uv_handle_s* handle);
size_t uv_handle_size(int type);
const char* uv_err_name(int err);
}

namespace tasjs {
constexpr int kUvIdle = 6;      // uv_handle_type UV_IDLE
constexpr int kUvPoll = 8;      // UV_POLL
constexpr int kUvReadable = 1;  // UV_READABLE
}  // namespace tasjs
