// Reading arguments, checked, and small owners of descriptors.
#pragma once

#include <napi.h>
#include <unistd.h>

#include <cmath>
#include <string>

#include "errors.hpp"

namespace tasjs {

inline int intArg(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (info.Length() <= index || !info[index].IsNumber()) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " must be a number");
  }
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (value != std::floor(value) || std::fabs(value) > 2147483647.0) {
    throw Napi::RangeError::New(info.Env(), std::string(what) + " must be a 32-bit integer");
  }
  return static_cast<int>(value);
}

// A length in bytes: positive, at most 2^53.
inline size_t lengthArg(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (info.Length() <= index || !info[index].IsNumber()) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " must be a number");
  }
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (!(value >= 1 && value <= 9007199254740992.0 && value == std::floor(value))) {
    throw Napi::RangeError::New(info.Env(), std::string(what) + " must be a positive integer");
  }
  return static_cast<size_t>(value);
}

inline std::string stringArg(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (info.Length() <= index || !info[index].IsString()) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " must be a string");
  }
  return info[index].As<Napi::String>().Utf8Value();
}

// Owns a descriptor until `release`.
class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

inline std::string fdName(int fd) { return "fd " + std::to_string(fd); }

}  // namespace tasjs
