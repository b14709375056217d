// The TAP port: one read or write a frame, each with a virtio header before it.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "args.hpp"
#include "burst.hpp"
#include "interfaces.hpp"
#include "modules.hpp"
#include "raw.hpp"
#include "sending.hpp"

namespace tasjs {

namespace {

// A slot of receive memory: the Ethernet header starts at 18, the virtio header before it.
constexpr size_t kSlotBytes = 66 << 10;
constexpr size_t kSlotVirtio = 8;
constexpr size_t kSlotEthernet = kSlotVirtio + kVirtioLen;

class TapPort : public FailedCall {
 public:
  TapPort(int fd, const Napi::Object& options) : burst(options), fd_(fd) {}

  int receive();
  bool deliver(int count);
  int transmit(int first, int count);
  bool sendFrame(const uint8_t* frame, size_t length);
  void forget() { received_ = 0; }

  Burst burst;
  int fd() const { return fd_; }
  int failedSlot = 0;

 private:
  // Takes our VLAN's tag out of a frame; frames without it are marked as not ours.
  void takeTag(int index);
  // Whether the frame left; false with err 0 if the queue is full.
  bool write(const iovec* parts, int count);

  int fd_;
  int received_ = 0;
  // The frame that `write` took last was lost: the interface is down.
  bool lost_ = false;
};

int TapPort::receive() {
  received_ = 0;
  while (received_ < burst.burst) {
    const size_t at = static_cast<size_t>(received_) * kSlotBytes;
    uint8_t* virtioAt = burst.frames + at + kSlotVirtio;
    const ssize_t length = read(fd_, virtioAt, kSlotBytes - kSlotVirtio);
    if (length < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EIO) break;  // EIO: the interface is down
      return failed("read");
    }
    if (static_cast<size_t>(length) < kVirtioLen + kEthernetLen) continue;
    VirtioHeader virtio;
    std::memcpy(&virtio, virtioAt, sizeof virtio);
    burst.rxOffset[received_] = static_cast<int32_t>(at + kSlotEthernet);
    burst.rxLen[received_] = static_cast<int32_t>(static_cast<size_t>(length) - kVirtioLen);
    burst.setVirtioFlags(received_, virtio);
    if (burst.vlan != 0) takeTag(received_);
    received_++;
  }
  return received_;
}

void TapPort::takeTag(int index) {
  uint8_t* ethernet = burst.frames + burst.rxOffset[index];
  const auto word = [&](size_t at) { return static_cast<uint16_t>(ethernet[at] << 8 | ethernet[at + 1]); };
  const bool isTagged = static_cast<size_t>(burst.rxLen[index]) >= kEthernetLen + kTagLen && word(kMacsLen) == kTagType;
  if (!isTagged || (word(kMacsLen + 2) & kVlanIdBits) != burst.vlan) {
    burst.rxFlags[index] |= kRxVlan;
    return;
  }
  std::memmove(ethernet + kTagLen, ethernet, kMacsLen);
  burst.rxOffset[index] += static_cast<int32_t>(kTagLen);
  burst.rxLen[index] -= static_cast<int32_t>(kTagLen);
}

bool TapPort::deliver(int count) {
  for (int i = 0; i < count; i++) {
    Copy copy;
    failedSlot = i;
    if (!burst.readCopy(i, received_, copy) || !burst.copyFromMemory(copy, burst.copyLength(i))) return false;
  }
  return true;
}

bool TapPort::write(const iovec* parts, int count) {
  const auto send = [this, parts, count](int) { return writev(fd_, parts, count) < 0 ? -1 : 1; };
  const int written = sendFrames(1, send, [this] { lost_ = true; });
  if (written < 0) failed("writev");
  return written > 0;
}

int TapPort::transmit(int first, int count) {
  for (int i = 0; i < count; i++) {
    TxFrame frame;
    failedSlot = first + i;
    if (!burst.prepare(failedSlot, frame)) return -1;
    if (!write(frame.parts, frame.count)) return err != 0 ? -1 : i;
  }
  return count;
}

bool TapPort::sendFrame(const uint8_t* frame, size_t length) {
  TxFrame whole;
  burst.wrap(frame, length, whole);
  lost_ = false;
  return write(whole.parts, whole.count) && !lost_;
}

TapPort& portOf(void* data) { return *static_cast<TapPort*>(data); }

napi_value raise(napi_env env, TapPort& port, const char* what) {
  if (port.err != 0) return port.raiseFailed(env, "TAP port " + fdName(port.fd()));
  return raiseRange(env, std::string(what) + " " + std::to_string(port.failedSlot) + ": " + port.burst.error);
}

// receive(): number
napi_value receive(napi_env env, napi_callback_info info) {
  TapPort& port = portOf(dataOf(env, info));
  const int count = port.receive();
  return count < 0 ? raise(env, port, "receive") : number(env, count);
}

// deliver(count)
napi_value deliver(napi_env env, napi_callback_info info) {
  int32_t args[1];
  void* data;
  intArgs(env, info, args, &data);
  TapPort& port = portOf(data);
  if (args[0] < 0 || args[0] > port.burst.copyMax) {
    return raiseRange(env, "deliver: " + std::to_string(args[0]) + " copy descriptors");
  }
  return port.deliver(args[0]) ? nullptr : raise(env, port, "copy");
}

// release(): frames of the burst are no longer named
napi_value release(napi_env env, napi_callback_info info) {
  portOf(dataOf(env, info)).forget();
  return nullptr;
}

// transmit(first, count): number
napi_value transmit(napi_env env, napi_callback_info info) {
  int32_t args[2];
  void* data;
  intArgs(env, info, args, &data);
  TapPort& port = portOf(data);
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
  TapPort& port = portOf(frame.data);
  const bool sent = port.sendFrame(frame.bytes, frame.length);
  if (port.err != 0) return raise(env, port, "sendFrame");
  napi_value result;
  napi_get_boolean(env, sent, &result);
  return result;
}

void control(Napi::Env env, int fd, unsigned long what, unsigned long argument, const std::string& name) {
  if (ioctl(fd, what, argument) != 0) throwSystem(env, errno, "ioctl", name);
}

// What tapOpen makes: a device of one queue, the first queue of a device of several, or one more of them.
constexpr int kSingleQueue = 0;
constexpr int kFirstQueue = 1;

short queueFlags(int queue) {
  if (queue == kSingleQueue) return 0;
  // A device that somebody else has made would share its frames with us.
  return static_cast<short>(queue == kFirstQueue ? IFF_MULTI_QUEUE | IFF_TUN_EXCL : IFF_MULTI_QUEUE);
}

// tapOpen(name, offload, hostMac | null, queue): number. Makes the device, or a queue of it, and brings it up.
Napi::Value tapOpen(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "name");
  if (name.empty() || name.size() >= IFNAMSIZ) throw Napi::RangeError::New(env, "interface name '" + name + "': 1 to 15 bytes");
  UniqueFd fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) throwSystem(env, errno, "open", "/dev/net/tun");
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | queueFlags(intArg(info, 3, "queue")));
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) throwSystem(env, errno, "ioctl", name);
  const unsigned long offloads = info[1].ToBoolean() ? TUN_F_CSUM | TUN_F_TSO4 : 0;
  control(env, fd.get(), TUNSETOFFLOAD, offloads, name);
  int headerLen = kVirtioLen;
  control(env, fd.get(), TUNSETVNETHDRSZ, reinterpret_cast<unsigned long>(&headerLen), name);
  if (!info[2].IsNull()) setInterfaceMac(env, name, macArg(env, info[2]).data());
  setInterfaceUp(env, name);
  return Napi::Number::New(env, fd.release());
}

// tapPort(fd, options): { receive, deliver, release, transmit, verifyTcp, sendFrame }. Does not own the descriptor.
Napi::Value tapPort(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto port = std::make_unique<TapPort>(intArg(info, 0, "fd"), info[1].As<Napi::Object>());
  if (port->burst.framesLen < static_cast<size_t>(port->burst.burst) * kSlotBytes) {
    throw Napi::RangeError::New(env, "receive memory is too short");
  }
  auto handle = Napi::Object::New(env);
  setFunction(env, handle, "receive", receive, port.get());
  setFunction(env, handle, "deliver", deliver, port.get());
  setFunction(env, handle, "release", release, port.get());
  setFunction(env, handle, "transmit", transmit, port.get());
  setFunction(env, handle, "verifyTcp", verifyTcp, port.get());
  setFunction(env, handle, "sendFrame", sendFrame, port.get());
  handle.AddFinalizer([](Napi::Env, TapPort* held) { delete held; }, port.release());
  return handle;
}

}  // namespace

void initTapPort(Napi::Env env, Napi::Object exports) {
  exports.Set("tapOpen", Napi::Function::New(env, tapOpen));
  exports.Set("tapPort", Napi::Function::New(env, tapPort));
}

}  // namespace tasjs
