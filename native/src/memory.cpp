// Shared memory: memfds, mappings, named objects.
#include "memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "args.hpp"

namespace tasjs {

namespace {

void* mapShared(Napi::Env env, int fd, size_t length, bool writable, const std::string& name) {
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* base = mmap(nullptr, length, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) throwSystem(env, errno, "mmap", name);
  // A region takes memory as it is used and gives it back by the page, also where the machine has huge pages for everybody. A kernel that
  // does not know this advice has none to forbid.
  madvise(base, length, MADV_NOHUGEPAGE);
  return base;
}

size_t sizeOf(Napi::Env env, int fd, const std::string& name) {
  struct stat status;
  if (fstat(fd, &status) != 0) throwSystem(env, errno, "fstat", name);
  return static_cast<size_t>(status.st_size);
}

// createRegion(name, lenBytes): { fd, buffer }
Napi::Value createRegion(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "name");
  const size_t length = lengthArg(info, 1, "lenBytes");
  UniqueFd fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd.get() < 0) throwSystem(env, errno, "memfd_create", name);
  if (ftruncate(fd.get(), static_cast<off_t>(length)) != 0) throwSystem(env, errno, "ftruncate", name);
  // Whoever gets the descriptor must not be able to shrink the file: we would die of SIGBUS.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) throwSystem(env, errno, "fcntl", name);
  auto result = Napi::Object::New(env);
  result.Set("buffer", wrapMapping(env, mapShared(env, fd.get(), length, true, name), length));
  result.Set("fd", fd.release());
  return result;
}

// mapRegion(fd, lenBytes, writable): ArrayBuffer
Napi::Value mapRegion(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = intArg(info, 0, "fd");
  const size_t length = lengthArg(info, 1, "lenBytes");
  const std::string name = fdName(fd);
  const size_t size = sizeOf(env, fd, name);
  if (size < length) {
    throw Napi::RangeError::New(env, "region of " + name + " has " + std::to_string(size) + " bytes, not " + std::to_string(length));
  }
  return wrapMapping(env, mapShared(env, fd, length, info[2].ToBoolean(), name), length);
}

// unmapRegion(buffer)
void unmapRegion(const Napi::CallbackInfo& info) { unmapBuffer(info.Env(), info[0]); }

// reopenReadOnly(fd): number
Napi::Value reopenReadOnly(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int reopened = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (reopened < 0) throwSystem(info.Env(), errno, "open", path);
  return Napi::Number::New(info.Env(), reopened);
}

// createSharedObject(name, lenBytes): ArrayBuffer
Napi::Value createSharedObject(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "name");
  const size_t length = lengthArg(info, 1, "lenBytes");
  UniqueFd fd(shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() < 0) throwSystem(env, errno, "shm_open", name);
  const auto fail = [&](const char* syscall) {
    const int err = errno;
    shm_unlink(name.c_str());
    throwSystem(env, err, syscall, name);
  };
  if (ftruncate(fd.get(), static_cast<off_t>(length)) != 0) fail("ftruncate");
  if (fchmod(fd.get(), 0644) != 0) fail("fchmod");
  return wrapMapping(env, mapShared(env, fd.get(), length, true, name), length);
}

// openSharedObject(name): ArrayBuffer
Napi::Value openSharedObject(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = stringArg(info, 0, "name");
  const UniqueFd fd(shm_open(name.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (fd.get() < 0) throwSystem(env, errno, "shm_open", name);
  const size_t length = sizeOf(env, fd.get(), name);
  if (length == 0) throw Napi::RangeError::New(env, "shared object '" + name + "' is empty");
  return wrapMapping(env, mapShared(env, fd.get(), length, false, name), length);
}

// unlinkSharedObject(name)
void unlinkSharedObject(const Napi::CallbackInfo& info) {
  const std::string name = stringArg(info, 0, "name");
  if (shm_unlink(name.c_str()) != 0) throwSystem(info.Env(), errno, "shm_unlink", name);
}

// closeFd(fd)
void closeFd(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  if (close(fd) != 0) throwSystem(info.Env(), errno, "close", fdName(fd));
}

// adviseHugePages(buffer): boolean
Napi::Value adviseHugePages(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArrayBuffer()) throw Napi::TypeError::New(env, "buffer must be an ArrayBuffer");
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  return Napi::Boolean::New(env, madvise(buffer.Data(), buffer.ByteLength(), MADV_HUGEPAGE) == 0);
}

// punchHole(fd, fromByte, lenBytes)
void punchHole(const Napi::CallbackInfo& info) {
  const int fd = intArg(info, 0, "fd");
  const auto from = static_cast<off_t>(info[1].ToNumber().Int64Value());
  const auto length = static_cast<off_t>(lengthArg(info, 2, "lenBytes"));
  if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, length) != 0) throwSystem(info.Env(), errno, "fallocate", fdName(fd));
}

}  // namespace

void initMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("createRegion", Napi::Function::New(env, createRegion));
  exports.Set("mapRegion", Napi::Function::New(env, mapRegion));
  exports.Set("unmapRegion", Napi::Function::New(env, unmapRegion));
  exports.Set("reopenReadOnly", Napi::Function::New(env, reopenReadOnly));
  exports.Set("createSharedObject", Napi::Function::New(env, createSharedObject));
  exports.Set("openSharedObject", Napi::Function::New(env, openSharedObject));
  exports.Set("unlinkSharedObject", Napi::Function::New(env, unlinkSharedObject));
  exports.Set("adviseHugePages", Napi::Function::New(env, adviseHugePages));
  exports.Set("punchHole", Napi::Function::New(env, punchHole));
  exports.Set("closeFd", Napi::Function::New(env, closeFd));
}

}  // namespace tasjs
