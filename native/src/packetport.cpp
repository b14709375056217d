// The hot half of the AF_PACKET port. Receiving is TypeScript over the mapped ring; here are copies, release, sending: small frames
// by a ring of their own, those that are to be cut up or longer than its slots by sendmmsg, which lends their payload to the kernel.
//
// A frame that is longer than its slot (RX_SPLIT) waits whole in the socket's queue, in ring order. Every such
// frame of a burst is taken from the queue exactly once: straight into the application's buffer if one copy
// descriptor names it, into scratch memory if several do, and thrown away by release if none did.
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "args.hpp"
#include "burst.hpp"
#include "modules.hpp"
#include "packetsocket.hpp"
#include "raw.hpp"
#include "sending.hpp"
#include "transmitring.hpp"

namespace tasjs {

namespace {

class PacketPort : public FailedCall {
 public:
  // `sendFd`: a socket of its own for the transmit ring, or -1.
  PacketPort(Napi::Env env, int fd, int sendFd, const Napi::Object& options)
      : burst(options), fd_(fd), ring_(sendFd < 0 ? nullptr : new TransmitRing(env, sendFd)), slots_(options.Get("slots").ToNumber()), slotBytes_(options.Get("slotBytes").ToNumber()),
        named_(static_cast<size_t>(burst.burst)), scratch_(static_cast<size_t>(burst.burst)) {}

  bool deliver(int count, int frameCount, bool split);
  bool release(int position, int frameCount, int lap, bool split);
  // -1 after an error, which is in `err`.
  int transmit(int first, int count);
  bool sendFrame(const uint8_t* frame, size_t length);

  Burst burst;
  int fd() const { return fd_; }
  int failedSlot = 0;

 private:
  bool takeUpTo(int frame);
  bool take(iovec* parts, size_t count);
  bool copySplit(int index, const Copy& copy);
  bool receiveStraight(int frame, const Copy& copy);
  bool isForRing(int slot) const { return ring_ != nullptr && burst.isWhole(slot, TransmitRing::kFrameBytes); }
  int transmitByRing(int first, int count);
  int transmitMessages(int first, int count);

  int fd_;
  std::unique_ptr<TransmitRing> ring_;
  int slots_;
  int slotBytes_;
  int taken_ = 0;                                        // split frames before this one have left the queue
  std::vector<int> named_;                               // copy descriptors that name each frame
  std::vector<std::unique_ptr<uint8_t[]>> scratch_;      // whole frames, made when first needed
  uint8_t skipped_[kVirtioLen + kFrameMax];              // what stands before the bytes that are wanted
  mmsghdr messages_[kSendBatch] = {};
  TxFrame sending_[kSendBatch];
};

// Receives the next frame of the queue.
bool PacketPort::take(iovec* parts, size_t count) {
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  ssize_t length;
  // An interface that went down reports so once; the queue is there all the same.
  do {
    length = recvmsg(fd_, &message, MSG_DONTWAIT | MSG_TRUNC);
  } while (length < 0 && (errno == EINTR || errno == ENETDOWN));
  if (length >= 0) return true;
  failed("recvmsg");
  return false;
}

// Takes the split frames before `frame` off the queue; those that descriptors name are kept.
bool PacketPort::takeUpTo(int frame) {
  for (; taken_ < frame; taken_++) {
    if ((burst.rxFlags[taken_] & kRxSplit) == 0) continue;
    const size_t index = static_cast<size_t>(taken_);
    iovec part{skipped_, kVirtioLen};
    if (named_[index] > 0) {
      if (!scratch_[index]) scratch_[index].reset(new uint8_t[kVirtioLen + kFrameMax]);
      part = {scratch_[index].get(), kVirtioLen + kFrameMax};
    }
    if (!take(&part, 1)) return false;
  }
  return true;
}

bool PacketPort::receiveStraight(int frame, const Copy& copy) {
  if (!takeUpTo(frame)) return false;
  iovec parts[3] = {{skipped_, kVirtioLen + copy.from}, {copy.to.first, copy.to.firstLen}, {copy.to.second, copy.to.secondLen}};
  taken_ = frame + 1;
  return take(parts, copy.to.secondLen > 0 ? 3 : 2);
}

bool PacketPort::copySplit(int index, const Copy& copy) {
  const size_t frame = static_cast<size_t>(copy.frame);
  if (copy.from + burst.copyLength(index) > kFrameMax) {
    burst.error = "frame of more than 64 KiB";
    return false;
  }
  if (copy.frame >= taken_ && named_[frame] == 1) return receiveStraight(copy.frame, copy);
  if (!takeUpTo(copy.frame + 1)) return false;
  if (!scratch_[frame]) {
    burst.error = "frame " + std::to_string(copy.frame) + " was taken by an earlier call";
    return false;
  }
  const uint8_t* source = scratch_[frame].get() + kVirtioLen + copy.from;
  std::memcpy(copy.to.first, source, copy.to.firstLen);
  if (copy.to.secondLen > 0) std::memcpy(copy.to.second, source + copy.to.firstLen, copy.to.secondLen);
  return true;
}

bool PacketPort::deliver(int count, int frameCount, bool split) {
  if (split) {
    std::fill(named_.begin(), named_.end(), 0);
    for (int i = 0; i < count; i++) {
      const int frame = burst.copyFrame(i);
      if (frame >= 0 && frame < frameCount) named_[static_cast<size_t>(frame)]++;
    }
  }
  for (int i = 0; i < count; i++) {
    Copy copy;
    failedSlot = i;
    if (!burst.readCopy(i, frameCount, copy)) return false;
    const bool inQueue = copy.frame >= 0 && (burst.rxFlags[copy.frame] & kRxSplit) != 0;
    if (!(inQueue ? copySplit(i, copy) : burst.copyFromMemory(copy, burst.copyLength(i)))) return false;
  }
  return true;
}

bool PacketPort::release(int position, int frameCount, int lap, bool split) {
  bool good = true;
  if (split) {
    std::fill(named_.begin(), named_.end(), 0);
    good = takeUpTo(frameCount);
  }
  taken_ = 0;
  for (int i = 0; i < frameCount; i++) {
    const int slot = (position + i) & (slots_ - 1);
    auto* words = reinterpret_cast<uint32_t*>(burst.frames + static_cast<size_t>(slot) * static_cast<size_t>(slotBytes_));
    words[kSlotLap] = static_cast<uint32_t>(slot < position ? lap + 1 : lap);
    __atomic_store_n(&words[kSlotStatus], TP_STATUS_KERNEL, __ATOMIC_RELEASE);
  }
  return good;
}

int PacketPort::transmit(int first, int count) {
  int done = 0;
  while (done < count) {
    int sent = transmitByRing(first + done, count - done);
    if (sent == 0) sent = transmitMessages(first + done, count - done);
    if (sent < 0) return -1;
    if (sent == 0) break;
    done += sent;
  }
  return done;
}

// Sends the frames from `first` on that are for the ring. Returns how many went: 0 too if the first is not, or finds no room.
int PacketPort::transmitByRing(int first, int count) {
  int filled = 0;
  for (; filled < std::min(count, kSendBatch) && isForRing(first + filled); filled++) {
    failedSlot = first + filled;
    if (!burst.prepare(failedSlot, sending_[0])) {
      ring_->takeBack();
      return -1;
    }
    if (!ring_->put(sending_[0])) break;
  }
  if (filled == 0) return 0;
  int sent = 0;
  while (sent < filled) {
    const int result = ring_->send();
    if (result > 0) {
      sent += result;
    } else if (errno != EINTR) {
      break;
    }
  }
  if (sent == filled) return sent;
  const int err = errno;
  ring_->takeBack();
  if (isFrameLost(err)) return filled;
  errno = err;
  return isQueueFull(err) ? sent : failed("send");
}

// Sends the frames from `first` on up to one that is for the ring, as far as the socket takes them. Returns how many.
int PacketPort::transmitMessages(int first, int count) {
  int batch = 0;
  for (; batch < std::min(count, kSendBatch) && (batch == 0 || !isForRing(first + batch)); batch++) {
    failedSlot = first + batch;
    if (!burst.prepare(failedSlot, sending_[batch])) return -1;
    messages_[batch].msg_hdr.msg_iov = sending_[batch].parts;
    messages_[batch].msg_hdr.msg_iovlen = static_cast<size_t>(sending_[batch].count);
  }
  const auto send = [this, batch](int from) { return sendmmsg(fd_, messages_ + from, static_cast<unsigned>(batch - from), MSG_DONTWAIT); };
  const int sent = sendFrames(batch, send, [] {});
  return sent < 0 ? failed("sendmmsg") : sent;
}

bool PacketPort::sendFrame(const uint8_t* frame, size_t length) {
  TxFrame whole;
  burst.wrap(frame, length, whole);
  msghdr message{};
  message.msg_iov = whole.parts;
  message.msg_iovlen = static_cast<size_t>(whole.count);
  const int sent = sendFrames(1, [this, &message](int) { return sendmsg(fd_, &message, MSG_DONTWAIT) < 0 ? -1 : 1; }, [] {});
  if (sent < 0) failed("sendmsg");
  return sent > 0;
}

PacketPort& portOf(void* data) { return *static_cast<PacketPort*>(data); }

napi_value raise(napi_env env, PacketPort& port, const char* what) {
  if (port.err != 0) return port.raiseFailed(env, "packet port " + fdName(port.fd()));
  return raiseRange(env, std::string(what) + " " + std::to_string(port.failedSlot) + ": " + port.burst.error);
}

// deliver(count, frames, split)
napi_value deliver(napi_env env, napi_callback_info info) {
  int32_t args[3];
  void* data;
  intArgs(env, info, args, &data);
  PacketPort& port = portOf(data);
  if (args[0] < 0 || args[0] > port.burst.copyMax || args[1] < 0 || args[1] > port.burst.burst) {
    return raiseRange(env, "deliver: " + std::to_string(args[0]) + " copy descriptors");
  }
  return port.deliver(args[0], args[1], args[2] != 0) ? nullptr : raise(env, port, "copy");
}

// release(position, frames, lap, split)
napi_value release(napi_env env, napi_callback_info info) {
  int32_t args[4];
  void* data;
  intArgs(env, info, args, &data);
  PacketPort& port = portOf(data);
  return port.release(args[0], args[1], args[2], args[3] != 0) ? nullptr : raise(env, port, "release");
}

// transmit(first, count): number
napi_value transmit(napi_env env, napi_callback_info info) {
  int32_t args[2];
  void* data;
  intArgs(env, info, args, &data);
  PacketPort& port = portOf(data);
  if (!isSlotRange(args[0], args[1], port.burst.txSlots)) return raiseSlots(env, args[0], args[1], port.burst.txSlots);
  const int sent = port.transmit(args[0], args[1]);
  return sent < 0 ? raise(env, port, "transmit slot") : number(env, sent);
}

// verifyTcp(index): boolean
napi_value verifyTcp(napi_env env, napi_callback_info info) {
  int32_t args[1];
  void* data;
  intArgs(env, info, args, &data);
  napi_value result;
  napi_get_boolean(env, portOf(data).burst.verifyTcp(args[0]), &result);
  return result;
}

// sendFrame(frame, len): boolean
napi_value sendFrame(napi_env env, napi_callback_info info) {
  FrameArg frame;
  if (!frame.read(env, info)) return raiseRange(env, frame.error);
  PacketPort& port = portOf(frame.data);
  const bool sent = port.sendFrame(frame.bytes, frame.length);
  if (!sent && port.err != 0) return raise(env, port, "sendFrame");
  napi_value result;
  napi_get_boolean(env, sent, &result);
  return result;
}

// takeDrops(): number
napi_value takeDrops(napi_env env, napi_callback_info info) {
  PacketPort& port = portOf(dataOf(env, info));
  tpacket_stats stats{};
  socklen_t length = sizeof stats;
  if (getsockopt(port.fd(), SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) {
    return raiseSystem(env, errno, "getsockopt", "packet port " + fdName(port.fd()));
  }
  return number(env, static_cast<int32_t>(stats.tp_drops));
}

// packetPort(fd, sendFd, options): { deliver, release, transmit, verifyTcp, sendFrame, takeDrops }. Does not own the descriptors.
Napi::Value packetPort(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto port = std::make_unique<PacketPort>(env, intArg(info, 0, "fd"), intArg(info, 1, "sendFd"), info[2].As<Napi::Object>());
  auto handle = Napi::Object::New(env);
  setFunction(env, handle, "deliver", deliver, port.get());
  setFunction(env, handle, "release", release, port.get());
  setFunction(env, handle, "transmit", transmit, port.get());
  setFunction(env, handle, "verifyTcp", verifyTcp, port.get());
  setFunction(env, handle, "sendFrame", sendFrame, port.get());
  setFunction(env, handle, "takeDrops", takeDrops, port.get());
  handle.AddFinalizer([](Napi::Env, PacketPort* held) { delete held; }, port.release());
  return handle;
}

}  // namespace

void initPacketPort(Napi::Env env, Napi::Object exports) {
  initPacketSocket(env, exports);
  exports.Set("packetPort", Napi::Function::New(env, packetPort));
}

}  // namespace tasjs
