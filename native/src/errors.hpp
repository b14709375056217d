// Failed system calls as JavaScript errors: code ('EPERM'), errno (negative, as Node has it), syscall, message.
#pragma once

#include <napi.h>

#include <cerrno>
#include <string>
#include <utility>

namespace tasjs {

// Makes the error object. `resource` names what the call was about.
napi_value systemError(napi_env env, int err, const char* syscall, const std::string& resource);

// For functions written with node-addon-api: throws. `err` is a positive errno.
[[noreturn]] void throwSystem(Napi::Env env, int err, const char* syscall, const std::string& resource);

// For raw callbacks: leaves the exception pending and returns nullptr.
napi_value raiseSystem(napi_env env, int err, const char* syscall, const std::string& resource);
napi_value raiseRange(napi_env env, const std::string& message);

// Keeps what a system call said until it is raised; a port is one. `err` is 0 if none failed.
struct FailedCall {
  int err = 0;
  const char* syscall = "";
  int failed(const char* call) {
    err = errno;
    syscall = call;
    return -1;
  }
  // Leaves it pending as an exception and is ready for the next.
  napi_value raiseFailed(napi_env env, const std::string& resource) { return raiseSystem(env, std::exchange(err, 0), syscall, resource); }
};

}  // namespace tasjs
