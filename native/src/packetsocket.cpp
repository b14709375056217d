#include "packetsocket.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "args.hpp"
#include "interfaces.hpp"
#include "memory.hpp"

namespace tasjs {

namespace {

// Together with the ring's own headers this puts the Ethernet header at 82, so that the IP header is aligned.
constexpr int kReserve = 6;
constexpr int kReceiveBytes = 32 << 20;
constexpr int kSendBytes = 16 << 20;
constexpr int kBlockBytes = 64 << 10;

void setOption(Napi::Env env, int fd, int option, int value, const std::string& name) {
  if (setsockopt(fd, SOL_PACKET, option, &value, sizeof value) != 0) throwSystem(env, errno, "setsockopt", name);
}

// Beyond the system's limit if we may, up to it otherwise.
void setBuffer(int fd, int force, int plain, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0) setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

void joinMac(Napi::Env env, int fd, const Interface& interface, const std::array<uint8_t, 6>& mac, const std::string& name) {
  if (mac == interface.mac) return;
  packet_mreq request{};
  request.mr_ifindex = interface.index;
  request.mr_type = PACKET_MR_UNICAST;
  request.mr_alen = 6;
  std::memcpy(request.mr_address, mac.data(), 6);
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) == 0) return;
  request.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) != 0) {
    throwSystem(env, errno, "setsockopt", name);
  }
}

void makeRing(Napi::Env env, int fd, int slots, int slotBytes, const std::string& name) {
  setOption(env, fd, PACKET_VERSION, TPACKET_V2, name);
  setOption(env, fd, PACKET_RESERVE, kReserve, name);
  setOption(env, fd, PACKET_IGNORE_OUTGOING, 1, name);
  // Frames longer than a slot wait whole in the socket's queue.
  setOption(env, fd, PACKET_COPY_THRESH, 1, name);
  setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBytes);
  tpacket_req request{};
  request.tp_frame_size = static_cast<unsigned>(slotBytes);
  request.tp_frame_nr = static_cast<unsigned>(slots);
  request.tp_block_size = static_cast<unsigned>(std::max(kBlockBytes, slotBytes));
  request.tp_block_nr = static_cast<unsigned>(static_cast<int64_t>(slots) * slotBytes / request.tp_block_size);
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) throwSystem(env, errno, "setsockopt", name);
}

// packetOpen(interface, mac, receive, slots, slotBytes): number
Napi::Value packetOpen(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "interface");
  const std::array<uint8_t, 6> mac = macArg(env, info[1]);
  const bool receive = info[2].ToBoolean();
  const Interface interface = interfaceByName(env, name);
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) throwSystem(env, errno, "socket", "AF_PACKET on " + name);
  setOption(env, fd.get(), PACKET_VNET_HDR, 1, name);
  setBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, kSendBytes);
  if (receive) {
    makeRing(env, fd.get(), intArg(info, 3, "slots"), intArg(info, 4, "slotBytes"), name);
    setPacketFilter(env, fd.get(), &mac);
    joinMac(env, fd.get(), interface, mac, name);
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = interface.index;
  address.sll_protocol = receive ? htons(ETH_P_ALL) : 0;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throwSystem(env, errno, "bind", name);
  return Napi::Number::New(env, fd.release());
}

// packetMap(fd, lenBytes): ArrayBuffer | null if the ring has another length
Napi::Value packetMap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intArg(info, 0, "fd");
  const size_t length = lengthArg(info, 1, "lenBytes");
  void* base = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    if (errno == EINVAL) return env.Null();
    throwSystem(env, errno, "mmap", "receive ring of " + fdName(fd));
  }
  return wrapMapping(env, base, length);
}

// packetFilter(fd, mac | null)
void packetFilter(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  if (info[1].IsNull()) return setPacketFilter(info.Env(), fd, nullptr);
  const auto mac = macArg(info.Env(), info[1]);
  setPacketFilter(info.Env(), fd, &mac);
}

// packetDrain(fd): throws away what waits in the socket's queue
void packetDrain(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  char header[16];
  while (recv(fd, header, sizeof header, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENETDOWN || errno == EINTR) {
  }
  if (errno != EAGAIN) throwSystem(info.Env(), errno, "recv", fdName(fd));
}

}  // namespace

void setPacketBuffers(int fd) {
  setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBytes);
  setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, kSendBytes);
}

void setPacketFilter(Napi::Env env, int fd, const std::array<uint8_t, 6>* mac) {
  sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const auto byte = [&](size_t index) { return static_cast<uint32_t>(mac == nullptr ? 0 : (*mac)[index]); };
  sock_filter ours[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 4, 0),  // group bit: broadcast or multicast
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3), 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, byte(4) << 8 | byte(5), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0x40000),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_fprog program{};
  program.filter = mac == nullptr ? all : ours;
  program.len = static_cast<unsigned short>(mac == nullptr ? 1 : sizeof ours / sizeof ours[0]);
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    throwSystem(env, errno, "setsockopt", "packet filter of " + fdName(fd));
  }
}

void initPacketSocket(Napi::Env env, Napi::Object exports) {
  exports.Set("packetOpen", Napi::Function::New(env, packetOpen));
  exports.Set("packetMap", Napi::Function::New(env, packetMap));
  exports.Set("packetFilter", Napi::Function::New(env, packetFilter));
  exports.Set("packetDrain", Napi::Function::New(env, packetDrain));
}

}  // namespace tasjs
