/**
 * A port: where frames come from and go to. AF_PACKET, TAP and the in-memory port all look like this,
 * so the fast path knows no kernel interface.
 *
 * Receive. `receive()` finds up to `burst` frames and describes them in rxOffset, rxLen, rxFlags and
 * rxGso; headers are read in place through `frames` / `frameWords`. `deliver(n)` executes copy
 * descriptors 0 to n-1. `release()` gives the frames back.
 *
 * Transmit. Headers are written to header slots of TX_SLOT_BYTES, payload stays where it is and is
 * named by a descriptor:
 *
 *   slot:   0        8              18              32                52
 *           | unused | virtio (10)  | Ethernet (14) | IPv4 (20)       | TCP (20 to 60) |
 *
 * or with IP options between IPv4 and TCP, which may be nothing but a source route that ends the IP header: its last word is the address
 * for the pseudo-header of TCP (RFC 9293, 3.1).
 *
 * The Ethernet header starts at 2 modulo 4 in slots and frames alike, so that the IP header is aligned.
 */

/** Bytes of a header slot. */
export const TX_SLOT_BYTES = 128
/** Where the virtio_net_hdr starts in a slot; the port fills it from the descriptor. */
export const TX_SLOT_VIRTIO = 8
/** Where the Ethernet header starts in a slot. */
export const TX_SLOT_ETHERNET = 18

/** Words of a transmit descriptor. */
export const TX_DESC_WORDS = 8
/** Bytes of headers, from the Ethernet header on; above them (TX_IP_OPTIONS_SHIFT) those of the IP options among them. */
export const TX_HEADER_LEN = 0
export const TX_HEADER_LEN_BITS = 0xffff
/** With IP options a frame is one segment: no TX_GSO. */
export const TX_IP_OPTIONS_SHIFT = 16
/** Region that holds the payload (Regions); ignored without payload. */
export const TX_REGION = 1
/** Start of the ring buffer that holds the payload, in units of 64 bytes. */
export const TX_BUFFER = 2
/** Length of that ring buffer in bytes, a power of two. */
export const TX_BUFFER_LEN = 3
/** Position of the first payload byte in the ring buffer; payload wraps at its end. */
export const TX_POS = 4
/** Payload bytes. */
export const TX_PAYLOAD_LEN = 5
/** Payload bytes in each segment if the port is to cut the frame up, 0 if not (needs `offload`). */
export const TX_GSO = 6

/** Words of a copy descriptor. */
export const COPY_DESC_WORDS = 8
/** Index of the received frame to copy from, or -1: copy from region 0 (a packet that came over a ring). */
export const COPY_FRAME = 0
/** Byte offset to copy from: from the frame's Ethernet header, or in region 0. */
export const COPY_FROM = 1
/** Region to copy to (Regions). */
export const COPY_REGION = 2
/** Start of the ring buffer to copy to, in units of 64 bytes. */
export const COPY_BUFFER = 3
/** Length of that ring buffer in bytes, a power of two. */
export const COPY_BUFFER_LEN = 4
/** Position of the first byte in the ring buffer; the copy wraps at its end. */
export const COPY_POS = 5
/** Bytes to copy. */
export const COPY_LEN = 6

/** rxFlags: the sender left the TCP checksum to hardware that is not there; the frame is good, do not verify. */
export const RX_CHECKSUM_PARTIAL = 1 << 0
/** rxFlags: the port has verified the TCP checksum. */
export const RX_CHECKSUM_GOOD = 1 << 1
/** rxFlags: the frame's bytes are not all in `frames`: headers are (up to 256 bytes), payload only through `deliver`. */
export const RX_SPLIT = 1 << 2
/** rxFlags: the port lost the end of the frame; it cannot be used. */
export const RX_TRUNCATED = 1 << 3
/**
 * rxFlags: the frame is of another VLAN than the port's. Without a VLAN of its own only AF_PACKET says so, where the kernel takes tags
 * off; other ports leave them in the frame.
 */
export const RX_VLAN = 1 << 4

/** rxFlags: the frame has not left this host: it came by the loop port, or the slow path made it for an address of our own. */
export const RX_LOOPBACK = 1 << 5

/** A port, as fast path and slow path use it. */
export interface Port {
  /** Largest IP packet without segmentation, in bytes. */
  readonly mtu: number
  /** Whether TX_GSO and partial checksums may be used; otherwise every frame is one segment and the port computes full checksums. */
  readonly offload: boolean
  /** Descriptor that polls readable when a frame waits, or -1. */
  readonly fd: number

  /** Most frames of one `receive`. */
  readonly burst: number
  /** Memory that holds received frames, as bytes and as words. */
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
  /** Byte offset in `frames` of each received frame's Ethernet header. */
  readonly rxOffset: Int32Array
  /** Length of each frame in bytes, as it was on the wire. */
  readonly rxLen: Int32Array
  /** RX_* bits of each frame. */
  readonly rxFlags: Int32Array
  /** gso_size of each frame: payload bytes of the segments it was merged from; 0 for an ordinary frame. */
  readonly rxGso: Int32Array
  /** Room for `burst` + 64 copy descriptors. */
  readonly copyDesc: Int32Array

  /** Finds the next frames. Returns how many (0 to burst). Frames of the call before must have been released. */
  receive(): number
  /** Executes the first `count` copy descriptors, in order. Throws RangeError for one outside its region. */
  deliver(count: number): void
  /** Gives the frames of the last `receive` back. */
  release(): void
  /**
   * Whether the TCP checksum of frame `index` of the last `receive` is right (pseudo-header included).
   * For frames that carry neither RX_CHECKSUM_PARTIAL nor RX_CHECKSUM_GOOD.
   */
  verifyTcp(index: number): boolean

  /** Header slots and descriptors for `txSlots` frames. */
  readonly txSlots: number
  readonly txHeaders: Uint8Array
  readonly txHeaderWords: Int32Array
  readonly txDesc: Int32Array
  /**
   * Sends frames of slots `first` to `first + count - 1` (no wrap) and fills in IP and TCP checksums (their fields
   * need not be set before). Returns how many the port took: fewer when its queue is full; call again for the rest.
   */
  transmit(first: number, count: number): number

  /**
   * Sends one complete frame of `len` bytes, checksums filled in by the caller. Returns false if it did not go: the queue is full, or a
   * TAP device is down.
   */
  sendFrame(frame: Uint8Array, len: number): boolean
  /** Frames that the kernel dropped before they reached us since the last call. */
  takeDrops(): number
  close(): void
}

/** Memory that descriptors may name: number 0 is the state region, the others are applications. */
export interface RegionTable {
  /** Enters memory under `index` (0 to 255). Throws RangeError if the place is taken. */
  add(index: number, memory: ArrayBufferLike): void
  /** Takes it out again. */
  remove(index: number): void
}

/** What handling a received frame needs of the port that it came by. */
export type ReceivePort = Pick<Port, 'frames' | 'frameWords' | 'rxOffset' | 'rxLen' | 'rxFlags' | 'rxGso' | 'verifyTcp'>
