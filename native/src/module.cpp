#include "memory.hpp"
#include "modules.hpp"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  tasjs::initMemory(env, exports);
  tasjs::initRegions(env, exports);
  tasjs::initUnixSocket(env, exports);
  tasjs::initWake(env, exports);
  tasjs::initKernelPoll(env, exports);
  tasjs::initCopy(env, exports);
  tasjs::initLoopHandle(env, exports);
  tasjs::initFdWatcher(env, exports);
  tasjs::initLoopTurns(env, exports);
  tasjs::initUncaught(env, exports);
  tasjs::initHeldFds(env, exports);
  tasjs::initCpu(env, exports);
  tasjs::initInterfaces(env, exports);
  tasjs::initChecksum(env, exports);
  tasjs::initPacketPort(env, exports);
  tasjs::initFanout(env, exports);
  tasjs::initTapPort(env, exports);
  tasjs::initLoopPort(env, exports);
  tasjs::initLinkPort(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, init)
