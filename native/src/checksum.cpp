#include "checksum.hpp"

#include <arpa/inet.h>

#include <cstring>

#include "args.hpp"
#include "modules.hpp"
#include "raw.hpp"

namespace tasjs {

namespace {

constexpr size_t kEthernetLen = 14;
constexpr size_t kIpLen = 20;
constexpr size_t kTcpLen = 20;

template <typename T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Halves of 64-bit words are added apart, so nothing overflows below 2^32 words.
inline uint64_t halves(uint64_t word) { return (word & 0xffffffff) + (word >> 32); }

// checksumFold(bytes, offset, len, initial): number
napi_value checksumFold(napi_env env, napi_callback_info info) {
  napi_value args[4];
  size_t given = 4;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  void* data = nullptr;
  size_t size = 0;
  napi_typedarray_type type = napi_int8_array;
  int32_t offset = 0, length = 0, initial = 0;
  napi_get_typedarray_info(env, args[0], &type, &size, &data, nullptr, nullptr);
  napi_get_value_int32(env, args[1], &offset);
  napi_get_value_int32(env, args[2], &length);
  napi_get_value_int32(env, args[3], &initial);
  if (type != napi_uint8_array || offset < 0 || length < 0 || static_cast<size_t>(offset) + static_cast<size_t>(length) > size) {
    return raiseRange(env, "checksumFold: bytes " + std::to_string(offset) + " to " +
                               std::to_string(static_cast<int64_t>(offset) + length) + " of a Uint8Array of " + std::to_string(size));
  }
  const uint16_t sum = htons(sumBytes(static_cast<uint8_t*>(data) + offset, static_cast<size_t>(length)));
  return number(env, foldSum(static_cast<uint64_t>(sum) + static_cast<uint32_t>(initial)));
}

}  // namespace

uint16_t sumBytes(const uint8_t* data, size_t length) {
  uint64_t a = 0, b = 0;
  for (; length >= 32; data += 32, length -= 32) {
    a += halves(load<uint64_t>(data)) + halves(load<uint64_t>(data + 8));
    b += halves(load<uint64_t>(data + 16)) + halves(load<uint64_t>(data + 24));
  }
  for (; length >= 8; data += 8, length -= 8) a += halves(load<uint64_t>(data));
  if (length > 0) {
    uint64_t rest = 0;
    std::memcpy(&rest, data, length);
    b += halves(rest);
  }
  return foldSum(static_cast<uint64_t>(foldSum(a)) + foldSum(b));
}

uint64_t pseudoSum(const uint8_t* source, const uint8_t* target, size_t tcpLength) {
  return static_cast<uint64_t>(load<uint32_t>(source)) + load<uint32_t>(target) + htons(IPPROTO_TCP) +
         htons(static_cast<uint16_t>(tcpLength));
}

bool verifyTcpFrame(const uint8_t* frame, size_t length) {
  if (length < kEthernetLen + kIpLen + kTcpLen || frame[12] != 0x08 || frame[13] != 0x00) return false;
  const uint8_t* ip = frame + kEthernetLen;
  const size_t headerLength = static_cast<size_t>(ip[0] & 15) * 4;
  const size_t total = ntohs(load<uint16_t>(ip + 2));
  if (ip[0] >> 4 != 4 || headerLength < kIpLen || ip[9] != IPPROTO_TCP) return false;
  if (total < headerLength + kTcpLen || total > length - kEthernetLen) return false;
  const size_t tcpLength = total - headerLength;
  return foldSum(pseudoSum(ip + 12, ip + 16, tcpLength) + sumBytes(ip + headerLength, tcpLength)) == 0xffff;
}

void initChecksum(Napi::Env env, Napi::Object exports) { setFunction(env, exports, "checksumFold", checksumFold); }

}  // namespace tasjs
