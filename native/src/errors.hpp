// Failed system calls as JavaScript errors: code ('EPERM'), errno (negative, as Node has it), syscall, message.
#pragma once

#include <napi.h>

#include <string>

namespace tasjs {

// Makes the error object. `resource` names what the call was about.
napi_value systemError(napi_env env, int err, const char* syscall, const std::string& resource);

// For functions written with node-addon-api: throws. `err` is a positive errno.
[[noreturn]] void throwSystem(Napi::Env env, int err, const char* syscall, const std::string& resource);

// For raw callbacks: leaves the exception pending and returns nullptr.
napi_value raiseSystem(napi_env env, int err, const char* syscall, const std::string& resource);
napi_value raiseRange(napi_env env, const std::string& message);

}  // namespace tasjs
