#include "wiresplit.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "checksum.hpp"

namespace tasjs {

namespace {

constexpr uint8_t kGsoTcp4 = 1;
constexpr uint8_t kGsoTcp6 = 4;
constexpr uint8_t kGsoUdp = 5;
constexpr uint8_t kGsoEcn = 0x80;
constexpr size_t kTcpMin = 20;
constexpr size_t kUdpLen = 8;
constexpr size_t kTcpChecksum = 16;
constexpr size_t kUdpChecksum = 6;
constexpr size_t kIp4Min = 20;
constexpr size_t kIp6Len = 40;
constexpr int kTagsMax = 2;
constexpr uint8_t kFinPsh = 0x09;
constexpr uint8_t kCwr = 0x80;

uint16_t load16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

void store16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

uint32_t load32(const uint8_t* at) { return static_cast<uint32_t>(load16(at)) << 16 | load16(at + 2); }

void store32(uint8_t* at, uint32_t value) {
  store16(at, value >> 16);
  store16(at + 2, value & 0xffff);
}

// Stores the checksum of a sum in memory order. In UDP 0 means that there is none, so 0xffff stands for it (RFC 768); in TCP 0 is 0, and
// who examines captures remarks on 0xffff (RFC 1624).
void storeChecksum(uint8_t* at, uint64_t sum, bool udp) {
  uint16_t value = static_cast<uint16_t>(~foldSum(sum));
  if (udp && value == 0) value = 0xffff;
  std::memcpy(at, &value, sizeof value);
}

// Sum of the pseudo-header of IPv4 (RFC 9293, 3.1) or IPv6 (RFC 8200, 8.1), in memory order.
uint64_t pseudo(const uint8_t* ip, uint8_t protocol, size_t length) {
  const bool isIp4 = ip[0] >> 4 == 4;
  const uint64_t addresses = isIp4 ? sumBytes(ip + 12, 8) : sumBytes(ip + 8, 32);
  return addresses + htons(protocol) + htons(static_cast<uint16_t>(length));
}

}  // namespace

bool WireSplitter::begin(uint8_t* frame, size_t length, const VirtioHeader& virtio) {
  frame_ = frame;
  length_ = length;
  size_ = 0;
  done_ = 0;
  index_ = 0;
  pending_ = false;
  const size_t start = virtio.checksumStart, field = start + virtio.checksumOffset;
  const bool isPartial = (virtio.flags & kVirtioNeedsChecksum) != 0;
  if (isPartial && field + 2 > length) return false;
  if (virtio.gsoType != 0) return isPartial && beginSegments(virtio);
  // The field holds the sum of the pseudo-header, so it is part of what is summed.
  if (isPartial) storeChecksum(frame + field, sumBytes(frame + start, length - start), virtio.checksumOffset == kUdpChecksum);
  return pending_ = true;
}

// Finds the IP header behind up to two VLAN tags.
bool WireSplitter::findIp() {
  ip_ = 14;
  for (int tags = 0; tags < kTagsMax && ip_ <= length_; tags++) {
    const uint16_t type = load16(frame_ + ip_ - 2);
    if (type != 0x8100 && type != 0x88a8) break;
    ip_ += 4;
  }
  return ip_ < transport_;
}

bool WireSplitter::beginSegments(const VirtioHeader& virtio) {
  const uint8_t type = virtio.gsoType & static_cast<uint8_t>(~kGsoEcn);
  transport_ = virtio.checksumStart;
  udp_ = type == kGsoUdp;
  if ((type != kGsoTcp4 && type != kGsoTcp6 && !udp_) || virtio.gsoSize == 0 || !findIp()) return false;
  const uint8_t version = frame_[ip_] >> 4;
  const size_t ipLength = transport_ - ip_;
  if (version == 4 ? ipLength < kIp4Min || ipLength != static_cast<size_t>(frame_[ip_] & 15) * 4 : version != 6 || ipLength < kIp6Len) return false;
  if (transport_ + (udp_ ? kUdpLen : kTcpMin) > length_) return false;
  const size_t transportLength = udp_ ? kUdpLen : static_cast<size_t>(frame_[transport_ + 12] >> 4) * 4;
  headers_ = transport_ + transportLength;
  if (transportLength < (udp_ ? kUdpLen : kTcpMin) || headers_ >= length_) return false;
  size_ = virtio.gsoSize;
  return pending_ = true;
}

size_t WireSplitter::next(uint8_t* out, size_t room) {
  if (size_ == 0) {
    if (length_ > room) return 0;
    std::memcpy(out, frame_, length_);
    pending_ = false;
    return length_;
  }
  const size_t left = length_ - headers_ - done_;
  const size_t part = std::min(left, size_);
  const size_t total = headers_ + part;
  if (total > room) return 0;
  std::memcpy(out, frame_, headers_);
  std::memcpy(out + headers_, frame_ + headers_ + done_, part);
  patchIp(out + ip_, total - ip_);
  patchTransport(out, total, part == left);
  done_ += part;
  index_++;
  pending_ = part < left;
  return total;
}

void WireSplitter::patchIp(uint8_t* ip, size_t ipLength) const {
  if (ip[0] >> 4 == 6) return store16(ip + 4, ipLength - kIp6Len);
  store16(ip + 2, ipLength);
  store16(ip + 4, static_cast<uint16_t>(load16(ip + 4) + index_));
  store16(ip + 10, 0);
  const uint16_t sum = static_cast<uint16_t>(~sumBytes(ip, transport_ - ip_));
  std::memcpy(ip + 10, &sum, sizeof sum);
}

void WireSplitter::patchTransport(uint8_t* out, size_t length, bool last) const {
  uint8_t* header = out + transport_;
  const size_t bytes = length - transport_;
  uint8_t* field = header + (udp_ ? kUdpChecksum : kTcpChecksum);
  if (udp_) {
    store16(header + 4, bytes);
  } else {
    store32(header + 4, load32(header + 4) + static_cast<uint32_t>(done_));
    if (!last) header[13] = static_cast<uint8_t>(header[13] & ~kFinPsh);
    // RFC 3168, 6.1.2: CWR is set on one segment only, the first.
    if (index_ > 0) header[13] = static_cast<uint8_t>(header[13] & ~kCwr);
  }
  store16(field, 0);
  storeChecksum(field, pseudo(out + ip_, udp_ ? 17 : 6, bytes) + sumBytes(header, bytes), udp_);
}

}  // namespace tasjs
