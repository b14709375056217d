// Several AF_PACKET sockets share the frames of an interface: a fanout group, in which a classic BPF program chooses the socket.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "args.hpp"
#include "modules.hpp"

namespace tasjs {

namespace {

// PACKET_FANOUT_FLAG_IGNORE_OUTGOING, which many kernel headers do not have yet. In a group it counts, not the sockets' own option.
constexpr int kIgnoreOutgoing = 0x4000;
constexpr int kKind = PACKET_FANOUT_CBPF | kIgnoreOutgoing;
constexpr int kGroupBits = 0xffff;

// fanoutJoin(fd, group): number. With `group` -1 it begins a group of its own; returns the group's id.
Napi::Value fanoutJoin(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intArg(info, 0, "fd");
  const int group = intArg(info, 1, "group");
  const int isNew = group < 0 ? PACKET_FANOUT_FLAG_UNIQUEID : 0;
  int value = (group < 0 ? 0 : group & kGroupBits) | static_cast<int>(static_cast<unsigned>(kKind | isNew) << 16);
  if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof value) != 0) throwSystem(env, errno, "setsockopt", "fanout of " + fdName(fd));
  socklen_t length = sizeof value;
  if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &length) != 0) throwSystem(env, errno, "getsockopt", "fanout of " + fdName(fd));
  return Napi::Number::New(env, value & kGroupBits);
}

// Sets a group's program from a thread of libuv's pool: the call waits until no CPU runs the program before, for milliseconds.
class Steering : public Napi::AsyncWorker {
 public:
  Steering(const Napi::Function& done, int fd, std::vector<sock_filter> program) : AsyncWorker(done), fd_(fd), program_(std::move(program)) {}

  void Execute() override {
    sock_fprog whole{static_cast<unsigned short>(program_.size()), program_.data()};
    if (setsockopt(fd_.get(), SOL_PACKET, PACKET_FANOUT_DATA, &whole, sizeof whole) != 0) {
      SetError(std::string("setsockopt PACKET_FANOUT_DATA: ") + std::strerror(errno));
    }
  }

 private:
  UniqueFd fd_;
  std::vector<sock_filter> program_;
};

// fanoutSteer(fd, program, done): `program` are instructions of 8 bytes, `done` gets an Error or nothing.
void fanoutSteer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intArg(info, 0, "fd");
  if (!info[1].IsTypedArray() || !info[2].IsFunction()) throw Napi::TypeError::New(env, "a Uint8Array and a function are wanted");
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const size_t length = bytes.ByteLength();
  if (length == 0 || length % sizeof(sock_filter) != 0 || length / sizeof(sock_filter) > BPF_MAXINSNS) {
    throw Napi::RangeError::New(env, "program of " + std::to_string(length) + " bytes");
  }
  std::vector<sock_filter> program(length / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.Data(), length);
  // A descriptor of its own: the port may be closed before the thread has its turn.
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) throwSystem(env, errno, "fcntl", fdName(fd));
  (new Steering(info[2].As<Napi::Function>(), own, std::move(program)))->Queue();
}

}  // namespace

void initFanout(Napi::Env env, Napi::Object exports) {
  exports.Set("fanoutJoin", Napi::Function::New(env, fanoutJoin));
  exports.Set("fanoutSteer", Napi::Function::New(env, fanoutSteer));
}

}  // namespace tasjs
