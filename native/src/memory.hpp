// Mapped memory behind ArrayBuffers, and the table of regions that descriptors name.
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <memory>

namespace tasjs {

constexpr int kRegionsMax = 256;

struct Region {
  uint8_t* base = nullptr;
  size_t length = 0;
};

// A mapping that is pinned cannot be unmapped; other addresses are ignored.
void pinMapping(const void* base, int by);

// Read by ports at every descriptor; changed only by Regions.add and Regions.remove on the same thread.
struct RegionTable {
  std::array<Region, kRegionsMax> regions;

  RegionTable() = default;
  RegionTable(const RegionTable&) = delete;
  RegionTable& operator=(const RegionTable&) = delete;
  ~RegionTable() {
    for (const Region& region : regions) pinMapping(region.base, -1);
  }
};

// The table behind the handle that `regionsCreate` returned.
std::shared_ptr<RegionTable> regionTable(const Napi::Value& handle);

// An ArrayBuffer over `length` bytes at `base`, which are unmapped when it is collected or detached.
Napi::ArrayBuffer wrapMapping(Napi::Env env, void* base, size_t length);

// Unmaps the memory of an ArrayBuffer made by wrapMapping and detaches it. Throws if it is not one or is pinned.
void unmapBuffer(Napi::Env env, const Napi::Value& buffer);

void initMemory(Napi::Env env, Napi::Object exports);
void initRegions(Napi::Env env, Napi::Object exports);

}  // namespace tasjs
