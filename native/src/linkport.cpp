// The port of programs that stand between two interfaces: frames for anybody come in as packets on a wire would (WireSplitter), and
// go out as they are. Frames lie in slots of one memory; TypeScript says which slots are free and which are to be sent.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>

#include "args.hpp"
#include "interfaces.hpp"
#include "modules.hpp"
#include "packetsocket.hpp"
#include "raw.hpp"
#include "sending.hpp"
#include "wiresplit.hpp"

namespace tasjs {

namespace {

constexpr size_t kTagLen = 4;
// Frames that are read at most, beyond those handed out, before `receive` returns: bad ones must not keep it.
constexpr int kBadMax = 64;

// Elements of `counts`.
enum Count { kMalformed, kTooLong, kSendLost, kCounts };

double toUs(const timespec& time) { return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3; }

double readClock(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return toUs(now);
}

template <typename Array>
Array arrayOf(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (!value.IsTypedArray()) throw Napi::TypeError::New(options.Env(), std::string(name) + " must be a typed array");
  return value.As<Array>();
}

class LinkPort : public FailedCall {
 public:
  LinkPort(int fd, const Napi::Object& options)
      : fd_(fd), isTap_(options.Get("isTap").ToBoolean()), slotBytes_(options.Get("slotBytes").ToNumber().Uint32Value()) {
    auto frames = arrayOf<Napi::Uint8Array>(options, "frames");
    auto rxSlots = arrayOf<Napi::Int32Array>(options, "rxSlots");
    auto rxLens = arrayOf<Napi::Int32Array>(options, "rxLens");
    auto rxStamps = arrayOf<Napi::Float64Array>(options, "rxStampsUs");
    auto txSlots = arrayOf<Napi::Int32Array>(options, "txSlots");
    auto txLens = arrayOf<Napi::Int32Array>(options, "txLens");
    auto counts = arrayOf<Napi::Float64Array>(options, "counts");
    frames_ = frames.Data();
    slots_ = slotBytes_ == 0 ? 0 : frames.ElementLength() / slotBytes_;
    rxSlots_ = rxSlots.Data();
    rxLens_ = rxLens.Data();
    rxStamps_ = rxStamps.Data();
    txSlots_ = txSlots.Data();
    txLens_ = txLens.Data();
    counts_ = counts.Data();
    burst = static_cast<int>(std::min({rxSlots.ElementLength(), rxLens.ElementLength(), rxStamps.ElementLength(),
                                       txSlots.ElementLength(), txLens.ElementLength()}));
    if (counts.ElementLength() < kCounts) throw Napi::RangeError::New(options.Env(), "counts is too short");
  }

  // Each returns -1 after an error: a system call's in `err`, otherwise a slot that does not exist.
  int receive(int max);
  int send(int count);

  int burst;
  int fd() const { return fd_; }

 private:
  bool readFrame();
  ssize_t readPacket(uint8_t* frame, VirtioHeader& virtio);
  ssize_t readTap(uint8_t* frame, VirtioHeader& virtio);
  void readControl(msghdr& message);
  uint8_t* slotAt(int slot) const {
    return slot >= 0 && static_cast<size_t>(slot) < slots_ ? frames_ + static_cast<size_t>(slot) * slotBytes_ : nullptr;
  }
  bool prepare(int first, int count);
  int sendPrepared(int count);

  int fd_;
  bool isTap_;
  size_t slotBytes_;
  uint8_t* frames_;
  size_t slots_;
  int32_t* rxSlots_;
  int32_t* rxLens_;
  double* rxStamps_;
  int32_t* txSlots_;
  int32_t* txLens_;
  double* counts_;

  WireSplitter splitter_;
  double nowUs_ = 0;       // of this call of receive
  double realAheadUs_ = 0; // of CLOCK_REALTIME over CLOCK_MONOTONIC
  double stampUs_ = 0;     // of the frame in `scratch_`
  int tag_ = -1;           // 802.1Q tag that the kernel took off it
  uint16_t tagType_ = ETH_P_8021Q;
  uint8_t scratch_[kTagLen + kFrameMax];
  VirtioHeader none_{};
  iovec parts_[kSendBatch][2];
  mmsghdr messages_[kSendBatch] = {};
};

void LinkPort::readControl(msghdr& message) {
  tag_ = -1;
  for (cmsghdr* entry = CMSG_FIRSTHDR(&message); entry != nullptr; entry = CMSG_NXTHDR(&message, entry)) {
    if (entry->cmsg_level == SOL_SOCKET && entry->cmsg_type == SCM_TIMESTAMPNS) {
      timespec stamp;
      std::memcpy(&stamp, CMSG_DATA(entry), sizeof stamp);
      stampUs_ = std::min(toUs(stamp) - realAheadUs_, nowUs_);
    } else if (entry->cmsg_level == SOL_PACKET && entry->cmsg_type == PACKET_AUXDATA) {
      tpacket_auxdata about;
      std::memcpy(&about, CMSG_DATA(entry), sizeof about);
      if ((about.tp_status & TP_STATUS_VLAN_VALID) == 0) continue;
      tag_ = about.tp_vlan_tci;
      tagType_ = (about.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? about.tp_vlan_tpid : uint16_t{ETH_P_8021Q};
    }
  }
}

ssize_t LinkPort::readPacket(uint8_t* frame, VirtioHeader& virtio) {
  iovec parts[2] = {{&virtio, sizeof virtio}, {frame, kFrameMax}};
  alignas(cmsghdr) uint8_t control[256];
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t length = recvmsg(fd_, &message, MSG_DONTWAIT | MSG_TRUNC);
  if (length >= 0) readControl(message);
  return length;
}

ssize_t LinkPort::readTap(uint8_t* frame, VirtioHeader& virtio) {
  const iovec parts[2] = {{&virtio, sizeof virtio}, {frame, kFrameMax}};
  return readv(fd_, parts, 2);
}

// Reads the next frame into the splitter. Returns false if there is none, or after an error.
bool LinkPort::readFrame() {
  uint8_t* frame = scratch_ + kTagLen;
  VirtioHeader virtio;
  stampUs_ = nowUs_;
  const ssize_t got = isTap_ ? readTap(frame, virtio) : readPacket(frame, virtio);
  if (got < 0) {
    // EINVAL: the kernel has no virtio header for such a frame. An interface that goes down says so once; the queue is there all the same.
    if (errno == EINTR || errno == ENETDOWN) return true;
    if (errno == EINVAL && !isTap_) return ++counts_[kMalformed], true;
    if (errno != EAGAIN && errno != EIO && errno != EBADFD) failed(isTap_ ? "readv" : "recvmsg");
    return false;
  }
  size_t length = static_cast<size_t>(got);
  if (length < kVirtioLen + kEthernetLen || length > kVirtioLen + kFrameMax) return ++counts_[kMalformed], true;
  length -= kVirtioLen;
  if (!isTap_ && tag_ >= 0) {
    std::memmove(frame - kTagLen, frame, 12);
    frame -= kTagLen;
    const uint8_t tag[kTagLen] = {static_cast<uint8_t>(tagType_ >> 8), static_cast<uint8_t>(tagType_), static_cast<uint8_t>(tag_ >> 8),
                                  static_cast<uint8_t>(tag_)};
    std::memcpy(frame + 12, tag, kTagLen);
    length += kTagLen;
    virtio.checksumStart = static_cast<uint16_t>(virtio.checksumStart + kTagLen);
  }
  if (!splitter_.begin(frame, length, virtio)) counts_[kMalformed]++;
  return true;
}

int LinkPort::receive(int max) {
  nowUs_ = readClock(CLOCK_MONOTONIC);
  realAheadUs_ = readClock(CLOCK_REALTIME) - nowUs_;
  int count = 0;
  for (int reads = 0; count < max && reads < max + kBadMax;) {
    if (!splitter_.pending()) {
      reads++;
      if (!readFrame()) break;
      continue;
    }
    uint8_t* slot = slotAt(rxSlots_[count]);
    if (slot == nullptr) return -1;
    const size_t length = splitter_.next(slot, slotBytes_);
    if (length == 0) {
      counts_[kTooLong]++;
      splitter_.drop();
      continue;
    }
    rxLens_[count] = static_cast<int32_t>(length);
    rxStamps_[count] = stampUs_;
    count++;
  }
  return err != 0 ? -1 : count;
}

bool LinkPort::prepare(int first, int count) {
  for (int i = 0; i < count; i++) {
    uint8_t* slot = slotAt(txSlots_[first + i]);
    const int32_t length = txLens_[first + i];
    if (slot == nullptr || length < static_cast<int32_t>(kEthernetLen) || static_cast<size_t>(length) > slotBytes_) return false;
    parts_[i][0] = {&none_, sizeof none_};
    parts_[i][1] = {slot, static_cast<size_t>(length)};
    messages_[i].msg_hdr.msg_iov = parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 2;
  }
  return true;
}

// Sends what is prepared. Returns how many left, lost ones included.
int LinkPort::sendPrepared(int count) {
  const auto send = [this, count](int first) {
    if (!isTap_) return sendmmsg(fd_, messages_ + first, static_cast<unsigned>(count - first), MSG_DONTWAIT);
    return writev(fd_, parts_[first], 2) < 0 ? -1 : 1;
  };
  const int sent = sendFrames(count, send, [this] { counts_[kSendLost]++; });
  return sent < 0 ? failed(isTap_ ? "writev" : "sendmmsg") : sent;
}

int LinkPort::send(int count) {
  int done = 0;
  while (done < count) {
    const int batch = std::min(count - done, kSendBatch);
    if (!prepare(done, batch)) return -1;
    const int sent = sendPrepared(batch);
    if (sent < 0) return -1;
    done += sent;
    if (sent < batch) break;
  }
  return done;
}

LinkPort& portOf(void* data) { return *static_cast<LinkPort*>(data); }

napi_value result(napi_env env, LinkPort& port, int count) {
  if (count >= 0) return number(env, count);
  if (port.err == 0) return raiseRange(env, "link port: a slot or length that does not exist");
  return port.raiseFailed(env, "link port " + fdName(port.fd()));
}

using Step = int (LinkPort::*)(int);

template <Step step>
napi_value call(napi_env env, napi_callback_info info) {
  int32_t args[1];
  void* data;
  intArgs(env, info, args, &data);
  LinkPort& port = portOf(data);
  if (args[0] < 0 || args[0] > port.burst) return raiseRange(env, "link port: " + std::to_string(args[0]) + " frames");
  return result(env, port, (port.*step)(args[0]));
}

void setPacketOption(Napi::Env env, int fd, int level, int option, const std::string& name) {
  const int on = 1;
  if (setsockopt(fd, level, option, &on, sizeof on) != 0) throwSystem(env, errno, "setsockopt", name);
}

// linkOpen(interface): number. Sees all frames that come in, whomever they are for.
Napi::Value linkOpen(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "interface");
  const Interface interface = interfaceByName(env, name);
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) throwSystem(env, errno, "socket", "AF_PACKET on " + name);
  setPacketOption(env, fd.get(), SOL_PACKET, PACKET_VNET_HDR, name);
  setPacketOption(env, fd.get(), SOL_PACKET, PACKET_AUXDATA, name);
  setPacketOption(env, fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, name);
  setPacketOption(env, fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, name);
  setPacketBuffers(fd.get());
  packet_mreq request{};
  request.mr_ifindex = interface.index;
  request.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(fd.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) != 0) throwSystem(env, errno, "setsockopt", name);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = interface.index;
  address.sll_protocol = htons(ETH_P_ALL);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throwSystem(env, errno, "bind", name);
  return Napi::Number::New(env, fd.release());
}

// linkDrops(fd): frames that found the socket's queue full since the last call
napi_value linkDrops(napi_env env, napi_callback_info info) {
  int32_t args[1];
  intArgs(env, info, args);
  tpacket_stats stats{};
  socklen_t length = sizeof stats;
  if (getsockopt(args[0], SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) return raiseSystem(env, errno, "getsockopt", fdName(args[0]));
  return number(env, static_cast<int32_t>(stats.tp_drops));
}

// linkPort(fd, options): { receive, send }. Does not own the descriptor.
Napi::Value linkPort(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto port = std::make_unique<LinkPort>(intArg(info, 0, "fd"), info[1].As<Napi::Object>());
  auto handle = Napi::Object::New(env);
  // The arrays live as long as the handle that names their memory.
  handle.Set("options", info[1]);
  setFunction(env, handle, "receive", call<&LinkPort::receive>, port.get());
  setFunction(env, handle, "send", call<&LinkPort::send>, port.get());
  handle.AddFinalizer([](Napi::Env, LinkPort* held) { delete held; }, port.release());
  return handle;
}

}  // namespace

void initLinkPort(Napi::Env env, Napi::Object exports) {
  exports.Set("linkOpen", Napi::Function::New(env, linkOpen));
  exports.Set("linkPort", Napi::Function::New(env, linkPort));
  setFunction(env, exports, "linkDrops", linkDrops);
}

}  // namespace tasjs
