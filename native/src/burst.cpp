#include "burst.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "args.hpp"
#include "checksum.hpp"

namespace tasjs {

namespace {

// Descriptor words of native/port.ts.
enum CopyWord { kCopyFrame, kCopyFrom, kCopyRegion, kCopyBuffer, kCopyBufferLen, kCopyPos, kCopyLen };
enum TxWord { kTxHeaderLen, kTxRegion, kTxBuffer, kTxBufferLen, kTxPos, kTxPayloadLen, kTxGso };
constexpr int kDescWords = 8;
constexpr int kSlotBytes = 128;
constexpr int kSlotVirtio = 8;
constexpr int kSlotEthernet = 18;
constexpr int32_t kHeaderMin = 14 + 20 + 20;
constexpr int32_t kHeaderMax = 14 + 20 + 60;
constexpr int32_t kIpStart = 14;
constexpr int32_t kTcpStart = 34;
constexpr int32_t kTcpChecksum = 16;
constexpr int32_t kIpLen = 20;
// The upper half of kTxHeaderLen: bytes of IP options.
constexpr int kIpOptionsShift = 16;
constexpr int32_t kHeaderLenBits = 0xffff;
constexpr int32_t kIpOptionsMin = 8;
constexpr int32_t kIpOptionsMax = 40;
constexpr size_t kBufferUnit = 64;

template <typename T>
T* pointerOf(const Napi::Object& options, const char* name, size_t* length = nullptr) {
  const Napi::Value value = options.Get(name);
  if (!value.IsTypedArray()) throw Napi::TypeError::New(options.Env(), std::string(name) + " must be a typed array");
  auto array = value.As<Napi::TypedArrayOf<T>>();
  if (length != nullptr) *length = array.ElementLength();
  return array.Data();
}

void store16(uint8_t* at, uint16_t value) { std::memcpy(at, &value, sizeof value); }

uint16_t swap16(uint16_t value) { return static_cast<uint16_t>(value << 8 | value >> 8); }

// Adds the payload, whose second part may start at an odd place.
uint64_t addStretch(uint64_t sum, const Stretch& payload) {
  sum += sumBytes(payload.first, payload.firstLen);
  if (payload.secondLen == 0) return sum;
  const uint16_t second = sumBytes(payload.second, payload.secondLen);
  return sum + ((payload.firstLen & 1) != 0 ? swap16(second) : second);
}

}  // namespace

Burst::Burst(const Napi::Object& options) {
  size_t length;
  regions = regionTable(options.Get("regions"));
  rxOffset = pointerOf<int32_t>(options, "rxOffset", &length);
  burst = static_cast<int>(length);
  rxLen = pointerOf<int32_t>(options, "rxLen");
  rxFlags = pointerOf<int32_t>(options, "rxFlags");
  rxGso = pointerOf<int32_t>(options, "rxGso");
  copyDesc = pointerOf<int32_t>(options, "copyDesc", &length);
  copyMax = static_cast<int>(length / kDescWords);
  txDesc = pointerOf<int32_t>(options, "txDesc", &length);
  txSlots = static_cast<int>(length / kDescWords);
  txHeaders = pointerOf<uint8_t>(options, "txHeaders");
  frames = pointerOf<uint8_t>(options, "frames", &framesLen);
  offload = options.Get("offload").ToBoolean();
  vlan = static_cast<uint16_t>(options.Get("vlan").ToNumber().Uint32Value() & kVlanIdBits);
}

bool Burst::fail(const std::string& what) {
  error = what;
  return false;
}

// The five words region, buffer, bufferLen, pos, length, which copy and transmit descriptors share.
bool Burst::stretch(const int32_t* words, Stretch& out) {
  const int32_t region = words[0], bufferLen = words[2], length = words[4];
  if (region < 0 || region >= kRegionsMax || regions->regions[static_cast<size_t>(region)].base == nullptr) {
    return fail("region " + std::to_string(region) + " is not there");
  }
  const Region& memory = regions->regions[static_cast<size_t>(region)];
  const size_t start = static_cast<size_t>(static_cast<uint32_t>(words[1])) * kBufferUnit;
  if (bufferLen <= 0 || (bufferLen & (bufferLen - 1)) != 0) {
    return fail("buffer length " + std::to_string(bufferLen) + " is not a power of two");
  }
  const size_t size = static_cast<size_t>(bufferLen);
  if (size > memory.length || start > memory.length - size) {
    return fail("buffer at " + std::to_string(start) + " of " + std::to_string(size) + " bytes is outside region " +
                std::to_string(region) + " of " + std::to_string(memory.length));
  }
  if (length < 0 || length > bufferLen) {
    return fail("length " + std::to_string(length) + " is outside a buffer of " + std::to_string(bufferLen));
  }
  const size_t at = static_cast<uint32_t>(words[3]) & (size - 1);
  const size_t firstLen = std::min(static_cast<size_t>(length), size - at);
  out = {memory.base + start + at, firstLen, memory.base + start, static_cast<size_t>(length) - firstLen};
  return true;
}

bool Burst::readCopy(int index, int frameCount, Copy& copy) {
  const int32_t* words = copyDesc + index * kDescWords;
  copy.frame = words[kCopyFrame];
  copy.from = static_cast<uint32_t>(words[kCopyFrom]);
  if (copy.frame < -1 || copy.frame >= frameCount) {
    return fail("frame " + std::to_string(copy.frame) + " is not in this burst");
  }
  if (!stretch(words + kCopyRegion, copy.to)) return false;
  const size_t length = copyLength(index);
  const Region& state = regions->regions[0];
  const size_t available = copy.frame < 0 ? (state.base == nullptr ? 0 : state.length) : static_cast<size_t>(rxLen[copy.frame]);
  const bool truncated = copy.frame >= 0 && (rxFlags[copy.frame] & kRxTruncated) != 0;
  if (truncated || length > available || copy.from > available - length) {
    return fail("bytes " + std::to_string(copy.from) + " to " + std::to_string(copy.from + length) +
                " of a source of " + std::to_string(available));
  }
  return true;
}

bool Burst::copyFromMemory(const Copy& copy, size_t length) {
  const uint8_t* source = regions->regions[0].base + copy.from;
  if (copy.frame >= 0) {
    const size_t offset = static_cast<uint32_t>(rxOffset[copy.frame]);
    if (length > framesLen || offset + copy.from > framesLen - length) return fail("frame is outside the receive memory");
    source = frames + offset + copy.from;
  }
  std::memmove(copy.to.first, source, copy.to.firstLen);
  if (copy.to.secondLen > 0) std::memmove(copy.to.second, source + copy.to.firstLen, copy.to.secondLen);
  return true;
}

bool Burst::checkLengths(int32_t headerLen, int32_t payloadLen) {
  if (headerLen < kHeaderMin || headerLen > kHeaderMax) return fail("header length " + std::to_string(headerLen));
  if (payloadLen > 65535 - (headerLen - kIpStart)) return fail(std::to_string(payloadLen) + " bytes of payload");
  return true;
}

// Whether a frame with IP options is one segment whose headers fit the slot and agree with what the IP header at `ip` says.
bool Burst::checkOptions(const uint8_t* ip, int32_t headerLen, int32_t ipOptions, const int32_t* words) {
  const bool isGood = ipOptions >= kIpOptionsMin && ipOptions <= kIpOptionsMax && (ip[0] & 15) * 4 == kIpLen + ipOptions;
  if (!isGood) return fail("header length " + std::to_string(words[kTxHeaderLen]));
  if (headerLen < kHeaderMin + ipOptions || headerLen > kSlotBytes - kSlotEthernet || words[kTxGso] != 0) {
    return fail("header length " + std::to_string(headerLen) + " with " + std::to_string(ipOptions) + " bytes of IP options");
  }
  return checkLengths(headerLen - ipOptions, words[kTxPayloadLen] + ipOptions);
}

bool Burst::readQueued(int slot, Queued& queued) {
  const int32_t* words = txDesc + slot * kDescWords;
  queued.headers = txHeaders + slot * kSlotBytes + kSlotEthernet;
  queued.headerLen = static_cast<size_t>(words[kTxHeaderLen]);
  queued.payload = {nullptr, 0, nullptr, 0};
  if (!checkLengths(words[kTxHeaderLen], words[kTxPayloadLen])) return false;
  return words[kTxPayloadLen] == 0 || stretch(words + kTxRegion, queued.payload);
}

// One with IP options never is: the upper half of its header length counts.
bool Burst::isWhole(int slot, size_t room) const {
  const int32_t* words = txDesc + slot * kDescWords;
  const int64_t length = int64_t{words[kTxHeaderLen]} + words[kTxPayloadLen] + static_cast<int64_t>(kTagLen);
  return words[kTxGso] == 0 && length <= static_cast<int64_t>(room);
}

bool Burst::prepare(int slot, TxFrame& frame) {
  const int32_t* words = txDesc + slot * kDescWords;
  const int32_t payloadLen = words[kTxPayloadLen], gso = words[kTxGso];
  uint8_t* virtio = txHeaders + slot * kSlotBytes + kSlotVirtio;
  int32_t headerLen = words[kTxHeaderLen], ipOptions = 0;
  if (gso < 0 || gso > 65535 || (gso > 0 && !offload)) {
    return fail("segment size " + std::to_string(gso) + (offload ? "" : " on a port without offload"));
  }
  if (headerLen <= kHeaderMax) {
    if (!checkLengths(headerLen, payloadLen)) return false;
  } else {
    ipOptions = headerLen >> kIpOptionsShift;
    headerLen &= kHeaderLenBits;
    if (!checkOptions(virtio + kVirtioLen + kIpStart, headerLen, ipOptions, words)) return false;
  }
  Stretch payload{nullptr, 0, nullptr, 0};
  if (payloadLen != 0 && !stretch(words + kTxRegion, payload)) return false;
  fillHeaders(virtio, headerLen, ipOptions, payload, gso);
  if (vlan == 0) {
    frame.parts[0] = {virtio, kVirtioLen + static_cast<size_t>(headerLen)};
    frame.count = 1;
  } else {
    VirtioHeader header;
    std::memcpy(&header, virtio, sizeof header);
    tag(header, virtio + kVirtioLen, static_cast<size_t>(headerLen), frame);
  }
  if (payload.firstLen > 0) frame.parts[frame.count++] = {payload.first, payload.firstLen};
  if (payload.secondLen > 0) frame.parts[frame.count++] = {payload.second, payload.secondLen};
  return true;
}

// The headers in two parts with the tag between them. The slot stays as it is: the frame may have to be sent again.
void Burst::tag(VirtioHeader virtio, const uint8_t* ethernet, size_t headerLen, TxFrame& frame) const {
  if (virtio.headerLen > 0) virtio.headerLen = static_cast<uint16_t>(virtio.headerLen + kTagLen);
  if (virtio.checksumStart > 0) virtio.checksumStart = static_cast<uint16_t>(virtio.checksumStart + kTagLen);
  std::memcpy(frame.front, &virtio, sizeof virtio);
  std::memcpy(frame.front + kVirtioLen, ethernet, kMacsLen);
  store16(frame.front + kVirtioLen + kMacsLen, swap16(kTagType));
  store16(frame.front + kVirtioLen + kMacsLen + 2, swap16(vlan));
  frame.parts[0] = {frame.front, sizeof frame.front};
  frame.parts[1] = {const_cast<uint8_t*>(ethernet) + kMacsLen, headerLen - kMacsLen};
  frame.count = 2;
}

void Burst::wrap(const uint8_t* bytes, size_t length, TxFrame& frame) const {
  if (vlan != 0) return tag({}, bytes, length, frame);
  std::memset(frame.front, 0, kVirtioLen);
  frame.parts[0] = {frame.front, kVirtioLen};
  frame.parts[1] = {const_cast<uint8_t*>(bytes), length};
  frame.count = 2;
}

// Fills in the virtio header and both checksums of the headers behind it. IP options end with the address that TCP's pseudo-header has.
void Burst::fillHeaders(uint8_t* virtioAt, int headerLen, int ipOptions, const Stretch& payload, int gso) const {
  const int32_t tcpStart = kTcpStart + ipOptions;
  uint8_t* ip = virtioAt + kVirtioLen + kIpStart;
  uint8_t* tcp = virtioAt + kVirtioLen + tcpStart;
  const size_t ipLen = static_cast<size_t>(kIpLen + ipOptions);
  store16(ip + 10, 0);
  store16(ip + 10, static_cast<uint16_t>(~sumBytes(ip, ipLen)));
  const size_t tcpHeader = static_cast<size_t>(headerLen - tcpStart);
  const size_t payloadLen = payload.firstLen + payload.secondLen;
  const uint8_t* target = ipOptions == 0 ? ip + 16 : ip + ipLen - 4;
  const uint64_t pseudo = pseudoSum(ip + 12, target, tcpHeader + payloadLen);
  VirtioHeader virtio{};
  if (offload) {
    const bool cut = gso > 0 && payloadLen > static_cast<size_t>(gso);
    const uint8_t ecn = (tcp[13] & kTcpCwr) != 0 ? kVirtioGsoEcn : uint8_t{0};
    virtio = {kVirtioNeedsChecksum,
              cut ? static_cast<uint8_t>(kVirtioGsoTcp4 | ecn) : uint8_t{0},
              static_cast<uint16_t>(headerLen),
              static_cast<uint16_t>(cut ? gso : 0),
              static_cast<uint16_t>(tcpStart),
              kTcpChecksum};
    store16(tcp + kTcpChecksum, foldSum(pseudo));
  } else {
    store16(tcp + kTcpChecksum, 0);
    const uint64_t sum = addStretch(pseudo + sumBytes(tcp, tcpHeader), payload);
    store16(tcp + kTcpChecksum, static_cast<uint16_t>(~foldSum(sum)));
  }
  std::memcpy(virtioAt, &virtio, sizeof virtio);
}

bool Burst::verifyTcp(int index) const {
  if (index < 0 || index >= burst) return false;
  const int32_t flags = rxFlags[index];
  if ((flags & kRxTruncated) != 0) return false;
  if ((flags & (kRxChecksumPartial | kRxChecksumGood)) != 0) return true;
  if ((flags & kRxSplit) != 0) return false;
  const size_t offset = static_cast<uint32_t>(rxOffset[index]), length = static_cast<uint32_t>(rxLen[index]);
  return length <= framesLen && offset <= framesLen - length && verifyTcpFrame(frames + offset, length);
}

void Burst::setVirtioFlags(int index, const VirtioHeader& header) {
  int32_t flags = 0;
  if ((header.flags & kVirtioNeedsChecksum) != 0) flags |= kRxChecksumPartial;
  if ((header.flags & kVirtioDataValid) != 0) flags |= kRxChecksumGood;
  rxFlags[index] = flags;
  rxGso[index] = header.gsoType != 0 ? header.gsoSize : 0;
}

}  // namespace tasjs
