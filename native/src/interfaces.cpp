#include "interfaces.hpp"

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "args.hpp"
#include "modules.hpp"

namespace tasjs {

namespace {

// One question or order about an interface. The socket only says in which network namespace.
class InterfaceRequest {
 public:
  InterfaceRequest(Napi::Env env, const std::string& name)
      : env_(env), name_(name), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (socket_.get() < 0) throwSystem(env, errno, "socket", name);
    if (name.empty() || name.size() >= IFNAMSIZ) throwSystem(env, ENODEV, "ioctl", name);
    std::memcpy(request.ifr_name, name.data(), name.size());
  }
  void run(unsigned long what) {
    if (ioctl(socket_.get(), what, &request) != 0) throwSystem(env_, errno, "ioctl", name_);
  }
  ifreq request{};

 private:
  Napi::Env env_;
  std::string name_;
  UniqueFd socket_;
};

// interfaceInfo(name): { index, mac, mtu, up }
Napi::Value interfaceInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Interface found = interfaceByName(env, stringArg(info, 0, "name"));
  auto mac = Napi::Uint8Array::New(env, 6);
  std::memcpy(mac.Data(), found.mac.data(), 6);
  auto result = Napi::Object::New(env);
  result.Set("index", found.index);
  result.Set("mac", mac);
  result.Set("mtu", found.mtu);
  result.Set("up", found.up);
  return result;
}

}  // namespace

Interface interfaceByName(Napi::Env env, const std::string& name) {
  InterfaceRequest ask(env, name);
  Interface found{};
  ask.run(SIOCGIFINDEX);
  found.index = ask.request.ifr_ifindex;
  ask.run(SIOCGIFHWADDR);
  std::memcpy(found.mac.data(), ask.request.ifr_hwaddr.sa_data, 6);
  ask.run(SIOCGIFMTU);
  found.mtu = ask.request.ifr_mtu;
  ask.run(SIOCGIFFLAGS);
  found.up = (ask.request.ifr_flags & IFF_UP) != 0;
  return found;
}

void setInterfaceUp(Napi::Env env, const std::string& name) {
  InterfaceRequest order(env, name);
  order.run(SIOCGIFFLAGS);
  order.request.ifr_flags |= IFF_UP;
  order.run(SIOCSIFFLAGS);
}

void setInterfaceMac(Napi::Env env, const std::string& name, const uint8_t* mac) {
  InterfaceRequest order(env, name);
  order.request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(order.request.ifr_hwaddr.sa_data, mac, 6);
  order.run(SIOCSIFHWADDR);
}

std::array<uint8_t, 6> macArg(Napi::Env env, const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().ByteLength() != 6) {
    throw Napi::TypeError::New(env, "mac must be a Uint8Array of 6 bytes");
  }
  std::array<uint8_t, 6> mac;
  std::memcpy(mac.data(), value.As<Napi::Uint8Array>().Data(), 6);
  return mac;
}

void initInterfaces(Napi::Env env, Napi::Object exports) {
  exports.Set("interfaceInfo", Napi::Function::New(env, interfaceInfo));
}

}  // namespace tasjs
