// Setting up an AF_PACKET socket with a TPACKET_V2 receive ring.
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>

namespace tasjs {

// Drops everything (`mac` null) or passes frames to `mac` and to groups.
void setPacketFilter(Napi::Env env, int fd, const std::array<uint8_t, 6>* mac);

// Gives a socket long queues in both directions.
void setPacketBuffers(int fd);

// A slot starts with struct tpacket2_hdr; these are its words.
constexpr int kSlotStatus = 0;
// Between sockaddr_ll (to byte 52) and the virtio header (from 72) the kernel never writes. We leave there the number of
// the lap on which we gave the slot back, so that a successor finds its place in the ring (packetplace.ts).
constexpr int kSlotLap = 14;

void initPacketSocket(Napi::Env env, Napi::Object exports);

}  // namespace tasjs
