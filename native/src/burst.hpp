// What AF_PACKET and TAP port have in common: bursts of frames and the descriptors that name payload.
// The arrays are those of native/port.ts; their addresses are captured once.
#pragma once

#include <napi.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <string>

#include "memory.hpp"

namespace tasjs {

// rxFlags of native/port.ts.
constexpr int32_t kRxChecksumPartial = 1 << 0;
constexpr int32_t kRxChecksumGood = 1 << 1;
constexpr int32_t kRxSplit = 1 << 2;
constexpr int32_t kRxTruncated = 1 << 3;
constexpr int32_t kRxVlan = 1 << 4;

constexpr size_t kVirtioLen = 10;
constexpr size_t kEthernetLen = 14;
constexpr size_t kFrameMax = 65535 + kEthernetLen;
// IEEE 802.1Q: a tag stands between addresses and type; 12 bits of it name the VLAN.
constexpr size_t kMacsLen = 12;
constexpr size_t kTagLen = 4;
constexpr uint16_t kTagType = 0x8100;
constexpr uint16_t kVlanIdBits = 0xfff;

// struct virtio_net_hdr, little endian as on every machine Node runs on here.
struct VirtioHeader {
  uint8_t flags;
  uint8_t gsoType;
  uint16_t headerLen;
  uint16_t gsoSize;
  uint16_t checksumStart;
  uint16_t checksumOffset;
};
static_assert(sizeof(VirtioHeader) == kVirtioLen);
constexpr uint8_t kVirtioNeedsChecksum = 1;
constexpr uint8_t kVirtioDataValid = 2;
constexpr uint8_t kVirtioGsoTcp4 = 1;
// The frame has CWR set: only the first segment cut from it may (RFC 3168, 6.1.2).
constexpr uint8_t kVirtioGsoEcn = 0x80;
constexpr uint8_t kTcpCwr = 0x80;

// A stretch of a ring buffer: in two parts if it wraps.
struct Stretch {
  uint8_t* first;
  size_t firstLen;
  uint8_t* second;
  size_t secondLen;
};

// A copy descriptor whose target is checked.
struct Copy {
  int frame;  // -1: region 0
  size_t from;
  Stretch to;
};

// A frame in the loop port's queue: its headers and where its payload stands.
struct Queued {
  const uint8_t* headers;
  size_t headerLen;
  Stretch payload;
};

// A frame ready for a system call. With a tag its front, down to there, is not where the rest of it is.
struct TxFrame {
  iovec parts[4];
  int count;
  uint8_t front[kVirtioLen + kMacsLen + kTagLen];
};

class Burst {
 public:
  // `options`: { regions, frames?, rxOffset, rxLen, rxFlags, rxGso, copyDesc, txHeaders, txDesc, offload, vlan }
  Burst(const Napi::Object& options);

  // Each returns true, or false with `error` set to what is wrong with the descriptor.
  bool readCopy(int index, int frames, Copy& copy);
  bool copyFromMemory(const Copy& copy, size_t length);
  bool prepare(int slot, TxFrame& frame);
  // Whether the frame of a transmit slot leaves as it is, not to be cut up, and has at most `room` bytes.
  bool isWhole(int slot, size_t room) const;
  bool readQueued(int slot, Queued& queued);

  // A whole frame that needs nothing of the kernel but a tag, if we have a VLAN.
  void wrap(const uint8_t* bytes, size_t length, TxFrame& frame) const;

  // Bytes of copy descriptor `index`; after readCopy has checked it.
  size_t copyLength(int index) const { return static_cast<size_t>(copyDesc[index * 8 + 6]); }
  // Copy descriptor `index` as written: which frame it names.
  int copyFrame(int index) const { return copyDesc[index * 8]; }

  bool verifyTcp(int index) const;
  void setVirtioFlags(int index, const VirtioHeader& header);

  std::shared_ptr<RegionTable> regions;
  uint8_t* frames = nullptr;
  size_t framesLen = 0;
  int32_t* rxOffset;
  int32_t* rxLen;
  int32_t* rxFlags;
  int32_t* rxGso;
  int32_t* copyDesc;
  uint8_t* txHeaders;
  int32_t* txDesc;
  int burst;
  int copyMax;
  int txSlots;
  bool offload;
  // The VLAN whose tag frames carry, 0: none.
  uint16_t vlan;
  std::string error;

 private:
  bool stretch(const int32_t* words, Stretch& out);
  bool checkLengths(int32_t headerLen, int32_t payloadLen);
  bool checkOptions(const uint8_t* ip, int32_t headerLen, int32_t ipOptions, const int32_t* words);
  bool fail(const std::string& what);
  void tag(VirtioHeader virtio, const uint8_t* ethernet, size_t headerLen, TxFrame& frame) const;
  void fillHeaders(uint8_t* virtioAt, int headerLen, int ipOptions, const Stretch& payload, int gso) const;
};

}  // namespace tasjs
