#include "transmitring.hpp"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "args.hpp"

namespace tasjs {

namespace {

constexpr unsigned kSlots = 256;
constexpr unsigned kSlotBytes = 2048;
constexpr unsigned kBlockBytes = 64 << 10;
constexpr size_t kRingBytes = static_cast<size_t>(kSlots) * kSlotBytes;
constexpr size_t kDataStart = TPACKET_ALIGN(sizeof(tpacket2_hdr));
static_assert(kDataStart + kVirtioLen + TransmitRing::kFrameBytes == kSlotBytes);

void setOption(Napi::Env env, int fd, int option, const void* value, socklen_t length) {
  if (setsockopt(fd, SOL_PACKET, option, value, length) != 0) throwSystem(env, errno, "setsockopt", "transmit ring of " + fdName(fd));
}

}  // namespace

TransmitRing::TransmitRing(Napi::Env env, int fd) : fd_(fd) {
  const int version = TPACKET_V2, lenient = 1;
  tpacket_req request{};
  // A worker before us may have left one, and nobody knows at which slot the kernel stands in it.
  setOption(env, fd, PACKET_TX_RING, &request, sizeof request);
  setOption(env, fd, PACKET_VERSION, &version, sizeof version);
  // A frame that the interface does not take is skipped, and does not stop those behind it.
  setOption(env, fd, PACKET_LOSS, &lenient, sizeof lenient);
  request = {kBlockBytes, kRingBytes / kBlockBytes, kSlotBytes, kSlots};
  setOption(env, fd, PACKET_TX_RING, &request, sizeof request);
  void* base = mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) throwSystem(env, errno, "mmap", "transmit ring of " + fdName(fd));
  base_ = static_cast<uint8_t*>(base);
}

TransmitRing::~TransmitRing() { munmap(base_, kRingBytes); }

tpacket2_hdr* TransmitRing::slot(unsigned index) const {
  return reinterpret_cast<tpacket2_hdr*>(base_ + static_cast<size_t>(index % kSlots) * kSlotBytes);
}

uint32_t TransmitRing::status(unsigned index) const { return __atomic_load_n(&slot(index)->tp_status, __ATOMIC_ACQUIRE); }

bool TransmitRing::put(const TxFrame& frame) {
  if (filled_ - taken_ == kSlots || status(filled_) != TP_STATUS_AVAILABLE) return false;
  tpacket2_hdr* header = slot(filled_);
  uint8_t* const data = reinterpret_cast<uint8_t*>(header) + kDataStart;
  size_t length = 0;
  for (int i = 0; i < frame.count; i++) {
    std::memcpy(data + length, frame.parts[i].iov_base, frame.parts[i].iov_len);
    length += frame.parts[i].iov_len;
  }
  VirtioHeader virtio;
  std::memcpy(&virtio, data, sizeof virtio);
  virtio.headerLen = static_cast<uint16_t>(length - kVirtioLen);
  std::memcpy(data, &virtio, sizeof virtio);
  header->tp_len = static_cast<uint32_t>(length);
  __atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
  filled_++;
  return true;
}

int TransmitRing::send() {
  const unsigned before = taken_;
  const ssize_t result = ::send(fd_, nullptr, 0, MSG_DONTWAIT);
  while (taken_ != filled_ && status(taken_) != TP_STATUS_SEND_REQUEST) taken_++;
  if (taken_ != before) return static_cast<int>(taken_ - before);
  if (result >= 0) errno = EAGAIN;
  return -1;
}

void TransmitRing::takeBack() {
  for (; filled_ != taken_; filled_--) __atomic_store_n(&slot(filled_ - 1)->tp_status, TP_STATUS_AVAILABLE, __ATOMIC_RELEASE);
}

}  // namespace tasjs
