// What sending through either port has in common: arguments, and which errors mean what.
#pragma once

#include <node_api.h>

#include <cerrno>
#include <string>

#include "burst.hpp"
#include "errors.hpp"

namespace tasjs {

// Frames handed to one system call.
constexpr int kSendBatch = 64;

inline bool isQueueFull(int err) { return err == EAGAIN || err == ENOBUFS; }

// The interface is down or gone, or its MTU shrank: the frame is lost as on a wire, TCP sends it again.
inline bool isFrameLost(int err) {
  return err == ENETDOWN || err == ENETUNREACH || err == ENXIO || err == ENODEV || err == EMSGSIZE || err == EIO;
}

// Sends frames 0 to `count` - 1: `send(first)` sends some from `first` on and returns how many, or -1 with errno; `onLost()` is told of
// each that is lost. Returns how many went, lost ones included, before the queue was full; -1 with errno after any other error.
template <typename Send, typename OnLost>
int sendFrames(int count, Send send, OnLost onLost) {
  int sent = 0;
  while (sent < count) {
    const int result = send(sent);
    if (result > 0) {
      sent += result;
    } else if (isQueueFull(errno)) {
      break;
    } else if (isFrameLost(errno)) {
      onLost();
      sent++;
    } else if (errno != EINTR) {
      return -1;
    }
  }
  return sent;
}

inline bool isSlotRange(int first, int count, int slots) {
  return first >= 0 && count >= 0 && first <= slots && count <= slots - first;
}

inline napi_value raiseSlots(napi_env env, int first, int count, int slots) {
  return raiseRange(env, "transmit: " + std::to_string(count) + " slots from " + std::to_string(first) + " of " + std::to_string(slots));
}

// Arguments (frame: Uint8Array, len) of a port's sendFrame.
struct FrameArg {
  const uint8_t* bytes = nullptr;
  size_t length = 0;
  void* data = nullptr;
  std::string error;

  bool read(napi_env env, napi_callback_info info) {
    napi_value args[2];
    size_t count = 2;
    napi_get_cb_info(env, info, &count, args, nullptr, &data);
    napi_typedarray_type type = napi_int8_array;
    size_t size = 0;
    void* start = nullptr;
    int32_t len = 0;
    napi_get_typedarray_info(env, args[0], &type, &size, &start, nullptr, nullptr);
    napi_get_value_int32(env, args[1], &len);
    if (type != napi_uint8_array || len < static_cast<int32_t>(kEthernetLen) || static_cast<size_t>(len) > size ||
        static_cast<size_t>(len) > kFrameMax) {
      error = "sendFrame: " + std::to_string(len) + " bytes of a Uint8Array of " + std::to_string(size);
      return false;
    }
    bytes = static_cast<const uint8_t*>(start);
    length = static_cast<size_t>(len);
    return true;
  }
};

}  // namespace tasjs
