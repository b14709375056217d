// The loop port's copies: from the sender's transmit buffer into the receiver's buffer, with nothing in between.
// Queue and headers are kept by native/loopport.ts; a queued frame is its headers and a descriptor of its payload.
#include <algorithm>
#include <cstring>

#include "burst.hpp"
#include "errors.hpp"
#include "modules.hpp"
#include "raw.hpp"

namespace tasjs {

namespace {

// Bytes that follow each other in a frame and stand together in memory.
struct Part {
  const uint8_t* bytes;
  size_t length;
};

// Copies `length` bytes of the parts, from byte `from` of them all, to `to`. Returns how many were there.
size_t gather(const Part (&parts)[3], size_t from, size_t length, uint8_t* to) {
  size_t done = 0;
  for (const Part& part : parts) {
    if (done == length) break;
    if (from >= part.length) {
      from -= part.length;
      continue;
    }
    const size_t count = std::min(part.length - from, length - done);
    std::memmove(to + done, part.bytes + from, count);
    done += count;
    from = 0;
  }
  return done;
}

class LoopPort {
 public:
  explicit LoopPort(const Napi::Object& options) : burst(options) {}

  // `frames` of them have been received; the first stands in place `first` of the queue.
  bool deliver(int count, int frames, int first);

  Burst burst;
  int failed = 0;

 private:
  bool copyFrame(const Copy& copy, size_t length, int place);
};

bool LoopPort::deliver(int count, int frames, int first) {
  for (int i = 0; i < count; i++) {
    Copy copy;
    failed = i;
    if (!burst.readCopy(i, frames, copy)) return false;
    const size_t length = burst.copyLength(i);
    const bool done = copy.frame < 0 ? burst.copyFromMemory(copy, length)
                                     : copyFrame(copy, length, (first + copy.frame) % burst.txSlots);
    if (!done) return false;
  }
  return true;
}

bool LoopPort::copyFrame(const Copy& copy, size_t length, int place) {
  Queued queued;
  if (!burst.readQueued(place, queued)) return false;
  const Stretch& payload = queued.payload;
  const Part parts[3] = {
      {queued.headers, queued.headerLen}, {payload.first, payload.firstLen}, {payload.second, payload.secondLen}};
  const size_t firstLen = gather(parts, copy.from, copy.to.firstLen, copy.to.first);
  const size_t secondLen = gather(parts, copy.from + firstLen, copy.to.secondLen, copy.to.second);
  if (firstLen + secondLen == length) return true;
  burst.error = "frame is shorter than rxLen says";
  return false;
}

LoopPort& portOf(void* data) { return *static_cast<LoopPort*>(data); }

// deliver(count, frames, first)
napi_value deliver(napi_env env, napi_callback_info info) {
  int32_t args[3];
  void* data;
  intArgs(env, info, args, &data);
  LoopPort& port = portOf(data);
  const bool inRange = args[0] >= 0 && args[0] <= port.burst.copyMax && args[1] >= 0 && args[1] <= port.burst.burst &&
                       args[2] >= 0 && args[2] < port.burst.txSlots;
  if (!inRange) {
    return raiseRange(env, "deliver: " + std::to_string(args[0]) + " copy descriptors, " + std::to_string(args[1]) +
                               " frames from " + std::to_string(args[2]));
  }
  if (port.deliver(args[0], args[1], args[2])) return nullptr;
  return raiseRange(env, "copy " + std::to_string(port.failed) + ": " + port.burst.error);
}

// loopPort(options): { deliver }. `txHeaders` and `txDesc` are the queue.
Napi::Value loopPort(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto port = std::make_unique<LoopPort>(info[0].As<Napi::Object>());
  auto handle = Napi::Object::New(env);
  setFunction(env, handle, "deliver", deliver, port.get());
  handle.AddFinalizer([](Napi::Env, LoopPort* held) { delete held; }, port.release());
  return handle;
}

}  // namespace

void initLoopPort(Napi::Env env, Napi::Object exports) {
  exports.Set("loopPort", Napi::Function::New(env, loopPort));
}

}  // namespace tasjs
