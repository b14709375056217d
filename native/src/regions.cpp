// The table of regions: number to memory. The TypeScript side keeps the ArrayBuffers alive.
#include <string>

#include "args.hpp"
#include "memory.hpp"

namespace tasjs {

namespace {

using Handle = Napi::External<std::shared_ptr<RegionTable>>;

const napi_type_tag kTag = {0x7461736a72656731, 0x6f6e7461626c6531};

int indexArg(const Napi::CallbackInfo& info) {
  const int index = intArg(info, 1, "region");
  if (index < 0 || index >= kRegionsMax) {
    throw Napi::RangeError::New(info.Env(), "region " + std::to_string(index) + ": 0 to " + std::to_string(kRegionsMax - 1));
  }
  return index;
}

Napi::Value regionsCreate(const Napi::CallbackInfo& info) {
  auto table = std::make_unique<std::shared_ptr<RegionTable>>(std::make_shared<RegionTable>());
  auto handle = Handle::New(info.Env(), table.get(), [](Napi::Env, std::shared_ptr<RegionTable>* held) { delete held; });
  table.release();
  handle.TypeTag(&kTag);
  return handle;
}

// regionsAdd(table, index, memory: ArrayBuffer | Uint8Array)
void regionsAdd(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Region& region = regionTable(info[0])->regions[indexArg(info)];
  if (region.base != nullptr) throw Napi::RangeError::New(env, "region " + info[1].ToString().Utf8Value() + " is taken");
  Region added;
  if (info[2].IsArrayBuffer()) {
    auto memory = info[2].As<Napi::ArrayBuffer>();
    added = {static_cast<uint8_t*>(memory.Data()), memory.ByteLength()};
  } else if (info[2].IsTypedArray()) {
    auto memory = info[2].As<Napi::Uint8Array>();
    added = {memory.Data(), memory.ByteLength()};
  }
  if (added.base == nullptr || added.length == 0) throw Napi::TypeError::New(env, "region must be memory that is not empty");
  region = added;
  pinMapping(region.base, 1);
}

// regionsRemove(table, index)
void regionsRemove(const Napi::CallbackInfo& info) {
  Region& region = regionTable(info[0])->regions[indexArg(info)];
  pinMapping(region.base, -1);
  region = Region();
}

}  // namespace

std::shared_ptr<RegionTable> regionTable(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<Handle>().CheckTypeTag(&kTag)) {
    throw Napi::TypeError::New(value.Env(), "not a table of regions");
  }
  return *value.As<Handle>().Data();
}

void initRegions(Napi::Env env, Napi::Object exports) {
  exports.Set("regionsCreate", Napi::Function::New(env, regionsCreate));
  exports.Set("regionsAdd", Napi::Function::New(env, regionsAdd));
  exports.Set("regionsRemove", Napi::Function::New(env, regionsRemove));
}

}  // namespace tasjs
