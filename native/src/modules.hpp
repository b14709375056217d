// What each file adds to the addon's exports.
#pragma once

#include <napi.h>

namespace tasjs {
void initUnixSocket(Napi::Env env, Napi::Object exports);
void initWake(Napi::Env env, Napi::Object exports);
void initKernelPoll(Napi::Env env, Napi::Object exports);
void initCopy(Napi::Env env, Napi::Object exports);
void initLoopHandle(Napi::Env env, Napi::Object exports);
void initFdWatcher(Napi::Env env, Napi::Object exports);
void initLoopTurns(Napi::Env env, Napi::Object exports);
void initUncaught(Napi::Env env, Napi::Object exports);
void initHeldFds(Napi::Env env, Napi::Object exports);
void initCpu(Napi::Env env, Napi::Object exports);
void initInterfaces(Napi::Env env, Napi::Object exports);
void initChecksum(Napi::Env env, Napi::Object exports);
void initPacketPort(Napi::Env env, Napi::Object exports);
void initFanout(Napi::Env env, Napi::Object exports);
void initTapPort(Napi::Env env, Napi::Object exports);
void initLoopPort(Napi::Env env, Napi::Object exports);
void initLinkPort(Napi::Env env, Napi::Object exports);
}  // namespace tasjs
