// Unix sockets of type SOCK_SEQPACKET that carry descriptors.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "args.hpp"
#include "modules.hpp"

namespace tasjs {

namespace {

constexpr size_t kFdsMax = 64;
constexpr int kBacklog = 128;
// Nobody accepts what `claimantUid` opens: as many can ask.
constexpr int kClaimBacklog = 4096;

sockaddr_un addressOf(Napi::Env env, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) throwSystem(env, ENAMETOOLONG, "bind", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int openSocket(Napi::Env env, const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) throwSystem(env, errno, "socket", path);
  return fd;
}

int tryConnect(int fd, const sockaddr_un& address) {
  int result;
  do {
    result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

// Removes the socket file of a service that is gone. Throws EADDRINUSE if something answers or it is no socket.
void removeStale(Napi::Env env, const std::string& path, const sockaddr_un& address) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return;
  const UniqueFd probe(openSocket(env, path));
  fcntl(probe.get(), F_SETFL, O_NONBLOCK);
  if (!S_ISSOCK(status.st_mode) || tryConnect(probe.get(), address) != ECONNREFUSED) throwSystem(env, EADDRINUSE, "bind", path);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) throwSystem(env, errno, "unlink", path);
}

// listenUnix(path): number
Napi::Value listenUnix(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = stringArg(info, 0, "path");
  const sockaddr_un address = addressOf(env, path);
  UniqueFd fd(openSocket(env, path));
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  if (bind(fd.get(), where, sizeof address) != 0) {
    if (errno != EADDRINUSE) throwSystem(env, errno, "bind", path);
    removeStale(env, path, address);
    if (bind(fd.get(), where, sizeof address) != 0) throwSystem(env, errno, "bind", path);
  }
  if (chmod(path.c_str(), 0666) != 0) throwSystem(env, errno, "chmod", path);
  if (fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) throwSystem(env, errno, "fcntl", path);
  if (listen(fd.get(), kBacklog) != 0) throwSystem(env, errno, "listen", path);
  return Napi::Number::New(env, fd.release());
}

// A leading zero byte: the abstract namespace of unix(7), which leaves no file.
sockaddr_un abstractAddressOf(Napi::Env env, const std::string& name) { return addressOf(env, std::string(1, '\0') + name); }

// claimName(name): number. It listens only so that `claimantUid` can connect.
Napi::Value claimName(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "name");
  const sockaddr_un address = abstractAddressOf(env, name);
  UniqueFd fd(openSocket(env, name));
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throwSystem(env, errno, "bind", name);
  if (listen(fd.get(), kClaimBacklog) != 0) throwSystem(env, errno, "listen", name);
  return Napi::Number::New(env, fd.release());
}

// claimantUid(name): number, -1 if that cannot be told
Napi::Value claimantUid(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "name");
  const sockaddr_un address = abstractAddressOf(env, name);
  const UniqueFd fd(openSocket(env, name));
  // A full queue must not hold us up.
  fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  ucred peer;
  socklen_t length = sizeof peer;
  const bool known = tryConnect(fd.get(), address) == 0 && getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  return Napi::Number::New(env, known ? static_cast<double>(peer.uid) : -1);
}

// acceptUnix(fd): number, -1 if nobody waits
Napi::Value acceptUnix(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  const int accepted = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
    throwSystem(info.Env(), errno, "accept4", fdName(fd));
  }
  return Napi::Number::New(info.Env(), accepted);
}

// connectUnix(path): number
Napi::Value connectUnix(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = stringArg(info, 0, "path");
  const sockaddr_un address = addressOf(env, path);
  UniqueFd fd(openSocket(env, path));
  const int err = tryConnect(fd.get(), address);
  if (err != 0) throwSystem(env, err, "connect", path);
  return Napi::Number::New(env, fd.release());
}

// socketPair(): [number, number], both blocking
Napi::Value socketPair(const Napi::CallbackInfo& info) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) throwSystem(info.Env(), errno, "socketpair", "pair");
  auto pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, fds[0]);
  pair.Set(1u, fds[1]);
  return pair;
}

struct ControlBuffer {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * kFdsMax)];
};

std::vector<int> fdList(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsArray()) throw Napi::TypeError::New(info.Env(), "fds must be an array");
  auto array = info[index].As<Napi::Array>();
  if (array.Length() > kFdsMax) throw Napi::RangeError::New(info.Env(), "at most 64 descriptors in a message");
  std::vector<int> fds;
  for (uint32_t i = 0; i < array.Length(); i++) fds.push_back(array.Get(i).ToNumber().Int32Value());
  return fds;
}

iovec bytesArg(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "bytes must be a Uint8Array");
  auto bytes = info[index].As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

// sendMessage(fd, bytes, fds): boolean, false if the socket is full
Napi::Value sendMessage(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  iovec bytes = bytesArg(info, 1);
  const std::vector<int> fds = fdList(info, 2);
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  // A peer that died with messages unread resets the connection once, then the pipe is broken: the same to us.
  if (sent < 0 && errno != EAGAIN) throwSystem(info.Env(), errno == ECONNRESET ? EPIPE : errno, "sendmsg", fdName(fd));
  return Napi::Boolean::New(info.Env(), sent >= 0);
}

std::vector<int> receivedFds(msghdr& message) {
  std::vector<int> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t before = fds.size();
    fds.resize(before + count);
    std::memcpy(fds.data() + before, CMSG_DATA(header), count * sizeof(int));
  }
  return fds;
}

// receiveMessage(fd, bytes): { lenBytes, fds } | null
Napi::Value receiveMessage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intArg(info, 0, "fd");
  iovec bytes = bytesArg(info, 1);
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t length;
  do {
    length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length < 0) {
    if (errno == EAGAIN) return env.Null();
    // A peer that dies with our message unread resets the connection: closed all the same.
    if (errno != ECONNRESET) throwSystem(env, errno, "recvmsg", fdName(fd));
    length = 0;
    message.msg_flags = 0;
    message.msg_controllen = 0;
  }
  const std::vector<int> fds = receivedFds(message);
  if ((message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
    for (const int received : fds) close(received);
    throwSystem(env, EMSGSIZE, "recvmsg", fdName(fd));
  }
  auto list = Napi::Array::New(env, fds.size());
  for (size_t i = 0; i < fds.size(); i++) list.Set(static_cast<uint32_t>(i), fds[i]);
  auto result = Napi::Object::New(env);
  result.Set("lenBytes", static_cast<double>(length));
  result.Set("fds", list);
  return result;
}

// peerCredentials(fd): { pid, uid, gid }
Napi::Value peerCredentials(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    throwSystem(info.Env(), errno, "getsockopt", fdName(fd));
  }
  auto result = Napi::Object::New(info.Env());
  result.Set("pid", static_cast<double>(credentials.pid));
  result.Set("uid", static_cast<double>(credentials.uid));
  result.Set("gid", static_cast<double>(credentials.gid));
  return result;
}

}  // namespace

void initUnixSocket(Napi::Env env, Napi::Object exports) {
  exports.Set("listenUnix", Napi::Function::New(env, listenUnix));
  exports.Set("claimName", Napi::Function::New(env, claimName));
  exports.Set("claimantUid", Napi::Function::New(env, claimantUid));
  exports.Set("acceptUnix", Napi::Function::New(env, acceptUnix));
  exports.Set("connectUnix", Napi::Function::New(env, connectUnix));
  exports.Set("socketPair", Napi::Function::New(env, socketPair));
  exports.Set("sendMessage", Napi::Function::New(env, sendMessage));
  exports.Set("receiveMessage", Napi::Function::New(env, receiveMessage));
  exports.Set("peerCredentials", Napi::Function::New(env, peerCredentials));
}

}  // namespace tasjs
