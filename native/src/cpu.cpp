// Affinity and other properties of the calling thread.
#include <sched.h>
#include <sys/prctl.h>

#include <cerrno>
#include <csignal>

#include "args.hpp"
#include "modules.hpp"
#include "raw.hpp"

namespace tasjs {

namespace {

// setAffinity(cpus)
void setAffinity(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) throw Napi::TypeError::New(env, "cpus must be an array");
  auto list = info[0].As<Napi::Array>();
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  std::string names;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const int cpu = list.Get(i).ToNumber().Int32Value();
    if (cpu < 0 || cpu >= CPU_SETSIZE) throw Napi::RangeError::New(env, "cpu " + std::to_string(cpu) + ": 0 to 1023");
    CPU_SET(cpu, &cpus);
    names += (i > 0 ? "," : "") + std::to_string(cpu);
  }
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) throwSystem(env, errno, "sched_setaffinity", "cpus " + names);
}

// getAffinity(): number[]
Napi::Value getAffinity(const Napi::CallbackInfo& info) {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) throwSystem(info.Env(), errno, "sched_getaffinity", "self");
  auto list = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET(cpu, &cpus)) list.Set(count++, cpu);
  }
  return list;
}

// currentCpu(): number, -1 if the kernel does not say
napi_value currentCpu(napi_env env, napi_callback_info) {
  return number(env, sched_getcpu());
}

// setTimerSlackNs(ns)
void setTimerSlackNs(const Napi::CallbackInfo& info) {
  const int ns = intArg(info, 0, "ns");
  if (ns < 1) throw Napi::RangeError::New(info.Env(), "ns must be positive");
  if (prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(ns)) != 0) throwSystem(info.Env(), errno, "prctl", "timer slack");
}

// setName(name): the first 15 bytes count
void setName(const Napi::CallbackInfo& info) {
  const std::string name = stringArg(info, 0, "name");
  if (prctl(PR_SET_NAME, name.c_str()) != 0) throwSystem(info.Env(), errno, "prctl", name);
}

// dieWithParent()
void dieWithParent(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) throwSystem(info.Env(), errno, "prctl", "parent death signal");
}

}  // namespace

void initCpu(Napi::Env env, Napi::Object exports) {
  exports.Set("setAffinity", Napi::Function::New(env, setAffinity));
  exports.Set("getAffinity", Napi::Function::New(env, getAffinity));
  setFunction(env, exports, "currentCpu", currentCpu);
  exports.Set("setTimerSlackNs", Napi::Function::New(env, setTimerSlackNs));
  exports.Set("setName", Napi::Function::New(env, setName));
  exports.Set("dieWithParent", Napi::Function::New(env, dieWithParent));
}

}  // namespace tasjs
