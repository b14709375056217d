// Makes packets as they would be on a wire out of frames as the kernel passes them on: cuts super-segments up and
// completes checksums that were left to hardware.
#pragma once

#include <cstddef>
#include <cstdint>

#include "burst.hpp"

namespace tasjs {

class WireSplitter {
 public:
  // Begins with a frame, which must stay where it is and may be changed, and the virtio header that came with it; offsets in the
  // header count from the frame's first byte. Returns false if the two do not fit each other or the kind of segmentation is unknown.
  bool begin(uint8_t* frame, size_t length, const VirtioHeader& virtio);

  // Whether packets of this frame are left.
  bool pending() const { return pending_; }

  // Writes the next packet. Returns its length, or 0 if it is longer than `room`.
  size_t next(uint8_t* out, size_t room);

  // Forgets what is left.
  void drop() { pending_ = false; }

 private:
  bool beginSegments(const VirtioHeader& virtio);
  bool findIp();
  void patchIp(uint8_t* out, size_t ipLength) const;
  void patchTransport(uint8_t* out, size_t length, bool last) const;

  uint8_t* frame_ = nullptr;
  size_t length_ = 0;
  size_t ip_ = 0;         // offset of the IP header
  size_t transport_ = 0;  // offset of the TCP or UDP header
  size_t headers_ = 0;    // bytes repeated before every part of the payload
  size_t size_ = 0;       // payload bytes of a packet, 0: the frame is one packet
  size_t done_ = 0;       // payload bytes that have been handed out
  uint16_t index_ = 0;
  bool udp_ = false;
  bool pending_ = false;
};

}  // namespace tasjs
