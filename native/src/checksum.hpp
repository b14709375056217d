// Internet checksum (RFC 1071). Sums are of 16-bit words as they lie in memory, so they can be stored as they are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tasjs {

// Folds a sum to 16 bits with end-around carries.
inline uint16_t foldSum(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// The folded sum of `length` bytes; a last odd byte is followed by a zero.
uint16_t sumBytes(const uint8_t* data, size_t length);

// Sum of a TCP pseudo-header (RFC 9293, 3.1) with the addresses at `source` and `target`.
uint64_t pseudoSum(const uint8_t* source, const uint8_t* target, size_t tcpLength);

// Whether the TCP checksum of an Ethernet frame with IPv4 and TCP is right; false for anything else.
bool verifyTcpFrame(const uint8_t* frame, size_t length);

}  // namespace tasjs
