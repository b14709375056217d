// Keeps account of mappings so that each is unmapped exactly once, by unmapRegion or by the collector.
#include <sys/mman.h>

#include <mutex>
#include <unordered_map>

#include "args.hpp"
#include "memory.hpp"

namespace tasjs {

namespace {

// One for each ArrayBuffer; lives until the buffer is collected, which may be after the memory is gone.
struct Mapping {
  size_t length;
  int pins = 0;
  bool mapped = true;
};

std::mutex mutex;

// Live mappings by address, of all threads. Never destroyed: finalizers run until the process exits.
std::unordered_map<const void*, Mapping*>& live() {
  static auto* table = new std::unordered_map<const void*, Mapping*>();
  return *table;
}

// Takes the mapping out of the table and unmaps it. Call with the mutex held.
void unmap(void* base, Mapping& mapping) {
  live().erase(base);
  mapping.mapped = false;
  munmap(base, mapping.length);
}

// V8 counts the length of every ArrayBuffer as memory that a collection might free. Ours is shared and mostly untouched:
// on Node 20 it is taken out of the count, so that it does not cause collections. The V8 of Node 24 ends the process when
// more is freed than was counted (seen with 24.21; 22.23 bore it), so from 22 on the count is left alone.
void countAsFree(napi_env env, int64_t length) {
  const napi_node_version* version;
  if (napi_get_node_version(env, &version) != napi_ok || version->major >= 22) return;
  int64_t now;
  napi_adjust_external_memory(env, -length, &now);
}

void finalize(napi_env env, void* base, void* hint) {
  const std::unique_ptr<Mapping> mapping(static_cast<Mapping*>(hint));
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (mapping->mapped) unmap(base, *mapping);
  }
  countAsFree(env, -static_cast<int64_t>(mapping->length));
}

}  // namespace

Napi::ArrayBuffer wrapMapping(Napi::Env env, void* base, size_t length) {
  auto mapping = std::make_unique<Mapping>();
  mapping->length = length;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    live()[base] = mapping.get();
  }
  napi_value buffer;
  // From here on Node owns the mapping: it calls finalize even when it cannot make the ArrayBuffer.
  if (napi_create_external_arraybuffer(env, base, length, finalize, mapping.release(), &buffer) != napi_ok) {
    throw Napi::Error::New(env);  // what is pending
  }
  countAsFree(env, static_cast<int64_t>(length));
  return Napi::ArrayBuffer(env, buffer);
}

void unmapBuffer(Napi::Env env, const Napi::Value& value) {
  if (!value.IsArrayBuffer()) throw Napi::TypeError::New(env, "not an ArrayBuffer");
  auto buffer = value.As<Napi::ArrayBuffer>();
  void* base = buffer.Data();
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = live().find(base);
  if (base == nullptr || found == live().end()) throw Napi::TypeError::New(env, "not a mapped region, or unmapped before");
  if (found->second->pins > 0) throwSystem(env, EBUSY, "munmap", "region that is still in a table of regions or a port");
  if (napi_detach_arraybuffer(env, buffer) != napi_ok) throw Napi::Error::New(env, "cannot detach the ArrayBuffer");
  unmap(base, *found->second);
}

void pinMapping(const void* base, int by) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = live().find(base);
  if (found != live().end()) found->second->pins += by;
}

}  // namespace tasjs
