/**
 * The fast-path step alone: time and garbage for each packet of 64 bytes at batch 32, from the received frame to
 * payload in the application's buffer, event published and acknowledgment built. No system calls, no second process.
 *
 *   node --expose-gc dist/bench/step.js [--json] [--size BYTES] [--hold]
 */
import { readSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  COUNTERS_BYTES, Doorbell, DOORBELL_PAGE_BYTES, DOORBELL_SLOW, FLOW_HANDED, PacketRingProducer, placeContext,
  placeState, RING_HEADER_WORDS, SF_APP, SF_CONTEXT, SF_FLOW, SF_TYPE, STATE_LOCAL_ADDRESSES, STATE_LOCAL_COUNT,
  StateView, TCB_APP_U16, TCB_BUFFER, TCB_CWND, TCB_FLAGS, TCB_MSS_U16, TCB_PORTS, TCB_RCV_ADV, TCB_RCV_NXT,
  TCB_RCV_READ, TCB_REMOTE_IP, TCB_RX_BASE, TCB_RX_LOG2_U8, TCB_SND_WND, TCB_STATE_U8, TCB_TX_BUFFER, TCB_TX_LOG2_U8,
  TO_FAST_APP_ADD, TO_FAST_CONTEXT_ADD, TO_FAST_FLOW_ADD, writeAppRegionHeader, writeStateHeader, FLAG_TIMESTAMPS,
} from '../lib/memif/index.js'
import {
  emitEthernet, emitIpv4, emitTcp, ETHERTYPE_IPV4, NO_OPTIONS, PROTOCOL_TCP, TCP_ACK, TCP_PSH, tcpHeaderLen,
} from '../lib/wire/index.js'
import { Clock, LoopPort, Regions } from '../native/index.js'
import { Worker } from '../service/fast/worker.js'
import { FRAME_START, FRAME_STRIDE, StepPort } from './stepport.js'

const FLOWS = 64
const BATCH = 32
/** Segments of each flow before everything starts over. */
const LAPS = 64
const BUFFER_LOG2 = 18
const LOCAL_IP = 0x0a000001
const PEER_IP = 0x0a000002
const LOCAL_PORT = 80
const FIRST_SEQ = 1
const WARM_UP_ROUNDS = 200
const ROUNDS = 500

interface Bench {
  readonly worker: Worker
  readonly port: StepPort
  readonly state: StateView
  readonly words: Int32Array
  /** Where tail and head of the event ring stand. */
  readonly eventsTail: number
  readonly eventsHead: number
}

function raw(word: number): number {
  return new DataView(Uint32Array.of(word >>> 0).buffer).getInt32(0, false)
}

function makeState(): StateView {
  const shape = { workers: 1, flows: 1024, toSlowEntries: 256, toFastEntries: 256, packetAreaBytes: 1 << 16 }
  const memory = new ArrayBuffer(placeState(shape).totalBytes)
  writeStateHeader(new Int32Array(memory), shape)
  const state = new StateView(memory)
  state.words[STATE_LOCAL_COUNT] = 1
  state.words[STATE_LOCAL_ADDRESSES] = raw(LOCAL_IP)
  return state
}

function resetFlow(state: StateView, flow: number): void {
  const tcb = state.tcbWord + flow * 32
  state.words[tcb + TCB_RCV_NXT] = FIRST_SEQ
  state.words[tcb + TCB_RCV_READ] = FIRST_SEQ
  state.words[tcb + TCB_RX_BASE] = FIRST_SEQ
  state.words[tcb + TCB_RCV_ADV] = FIRST_SEQ + (1 << BUFFER_LOG2)
}

function fillFlow(state: StateView, flow: number): void {
  const tcb = state.tcbWord + flow * 32
  state.words[tcb + TCB_REMOTE_IP] = raw(PEER_IP)
  state.words[tcb + TCB_PORTS] = raw(((40_000 + flow) << 16) | LOCAL_PORT)
  state.words[tcb + TCB_FLAGS] = FLAG_TIMESTAMPS
  state.words[tcb + TCB_SND_WND] = 65535
  state.words[tcb + TCB_CWND] = 1 << 20
  state.words[tcb + TCB_BUFFER] = (1 << 20) / 64 + flow * ((2 << BUFFER_LOG2) / 64)
  state.words[tcb + TCB_TX_BUFFER] = state.words[tcb + TCB_BUFFER] + (1 << BUFFER_LOG2) / 64
  state.bytes[tcb * 4 + TCB_RX_LOG2_U8] = BUFFER_LOG2
  state.bytes[tcb * 4 + TCB_TX_LOG2_U8] = BUFFER_LOG2
  state.halves[tcb * 2 + TCB_APP_U16] = 1
  state.halves[tcb * 2 + TCB_MSS_U16] = 1448
  resetFlow(state, flow)
  state.bytes[tcb * 4 + TCB_STATE_U8] = FLOW_HANDED
}

/** Frames of all flows in turn, lap after lap. */
function writeFrames(port: StepPort, size: number): void {
  for (let index = 0; index < FLOWS * LAPS; index++) {
    const frame = port.frames.subarray(index * FRAME_STRIDE + FRAME_START, (index + 1) * FRAME_STRIDE)
    const tcp = {
      sourcePort: 40_000 + (index % FLOWS), targetPort: LOCAL_PORT, seq: FIRST_SEQ + Math.floor(index / FLOWS) * size,
      ack: 0, flags: TCP_ACK | TCP_PSH,
      window: 65535, urgent: 0, options: { ...NO_OPTIONS, timestamps: { value: 1, echo: 0 } },
    }
    emitEthernet(frame, { target: new Uint8Array(6), source: new Uint8Array(6), etherType: ETHERTYPE_IPV4 })
    const payloadLen = tcpHeaderLen(tcp) + size
    emitIpv4(frame, 14, { sourceIp: PEER_IP, targetIp: LOCAL_IP, protocol: PROTOCOL_TCP, ttl: 64, tos: 0, payloadLen })
    emitTcp(frame, 34, tcp)
  }
}

function makeBench(size: number): Bench {
  const state = makeState()
  const shape = { regionBytes: 64 << 20, workers: 1, kinBytes: 1024, koutBytes: 1024, fastEntries: 2048 }
  const memory = new ArrayBuffer(shape.regionBytes)
  const words = new Int32Array(memory)
  writeAppRegionHeader(words, shape)
  const regions = new Regions()
  regions.add(0, state.buffer as ArrayBuffer)
  const port = new StepPort(regions, FLOWS * LAPS, 66 + size, BATCH)
  writeFrames(port, size)
  const never = { wake: () => undefined }
  const worker = new Worker({
    state, worker: 0, port, loop: new LoopPort({ beside: port, regions }), regions, counters: new Float64Array(COUNTERS_BYTES / 8),
    slowDoorbell: new Doorbell(new Int32Array(DOORBELL_PAGE_BYTES / 4), DOORBELL_SLOW, never),
    apps: { region: () => ({ memory, shape }), contextWake: () => never, release: () => undefined },
  })
  const commands = new PacketRingProducer(state.words, state.places.workers[0].toFast)
  const order = (type: number, flow: number): void => {
    const entry = commands.reserve()
    state.words[entry + SF_TYPE] = type
    state.words[entry + SF_FLOW] = flow
    state.words[entry + SF_APP] = 1
    state.words[entry + SF_CONTEXT] = 0
    commands.pushMessage(entry)
    commands.publish()
  }
  order(TO_FAST_APP_ADD, 0)
  order(TO_FAST_CONTEXT_ADD, 0)
  for (let flow = 0; flow < FLOWS; flow++) {
    fillFlow(state, flow)
    order(TO_FAST_FLOW_ADD, flow)
  }
  const ring = placeContext(shape, 0).events[0].firstWord
  const bench = { worker, port, state, words, eventsTail: ring, eventsHead: ring + RING_HEADER_WORDS / 2 }
  for (let i = 0; i < 4; i++) bench.worker.pass(0, 0)
  port.rewind()
  for (let flow = 0; flow < FLOWS; flow++) resetFlow(state, flow)
  return bench
}

/** One round: all frames, burst by burst, each so late that the delayed acknowledgments of the one before are due. */
function round(bench: Bench, clockMs: number): void {
  const { worker, words, eventsTail, eventsHead } = bench
  for (let pass = 0; pass < (FLOWS * LAPS) / BATCH; pass++) {
    const nowMs = clockMs + pass * 2
    worker.pass((nowMs * 1000) | 0, nowMs)
    // The application has read everything: its share is not part of the step.
    Atomics.store(words, eventsHead, Atomics.load(words, eventsTail))
  }
}

function rewind(bench: Bench): void {
  bench.port.rewind()
  for (let flow = 0; flow < FLOWS; flow++) resetFlow(bench.state, flow)
}

const WINDOWS = 5

/** Says that the warm-up is over and waits for the end of standard input: several of us are to measure at the same time. */
function hold(): void {
  console.log('ready')
  const byte = new Uint8Array(1)
  while (readSync(0, byte) > 0);
}

/** Nanoseconds (median of the windows) and bytes of garbage for each packet. */
function measure(size: number, isHeld: boolean): { nsPerPacket: number; garbageBytesPerPacket: number; acksPerPacket: number } {
  const bench = makeBench(size)
  let clockMs = 1_000
  const step = (): void => {
    rewind(bench)
    clockMs += 1_000
    round(bench, clockMs)
  }
  for (let i = 0; i < WARM_UP_ROUNDS; i++) step()
  if (isHeld) hold()
  const clock = new Clock()
  const window = (): { spentUs: number; garbage: number } => {
    globalThis.gc?.()
    const heapBefore = process.memoryUsage().heapUsed
    let spentUs = 0
    for (let i = 0; i < ROUNDS; i++) {
      rewind(bench)
      clockMs += 1_000
      clock.tick()
      const start = clock.us32
      round(bench, clockMs)
      clock.tick()
      spentUs += (clock.us32 - start) | 0
    }
    return { spentUs, garbage: process.memoryUsage().heapUsed - heapBefore }
  }
  // V8 allocates for itself now and then (code, feedback); garbage of the step would be in every window.
  const windows = Array.from({ length: WINDOWS }, window)
  const packets = ROUNDS * FLOWS * LAPS
  const spent = windows.map((each) => each.spentUs).sort((x, y) => x - y)[WINDOWS >> 1]
  const garbage = Math.min(...windows.map((each) => each.garbage))
  return {
    nsPerPacket: (spent * 1000) / packets,
    garbageBytesPerPacket: Math.max(0, Math.round((garbage / packets) * 100) / 100),
    acksPerPacket: bench.port.sent / (packets * WINDOWS + WARM_UP_ROUNDS * FLOWS * LAPS),
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      size: { type: 'string', default: '64' },
      hold: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log('Usage: node --expose-gc dist/bench/step.js [--json] [--size BYTES] [--hold]\nMeasures the step alone at batch 32;'
      + ' with --hold it says "ready" after its warm-up and begins when standard input ends.')
    return
  }
  const size = Number(values.size)
  if (!Number.isInteger(size) || size < 1 || size > 1448) {
    console.error(`step: --size: "${values.size}": want 1 to 1448 bytes of payload`)
    process.exit(2)
  }
  const result = measure(size, values.hold)
  if (values.json) console.log(JSON.stringify({ size, batch: BATCH, flows: FLOWS, ...result }))
  else {
    console.log(`${size} B payload, batch ${BATCH}, ${FLOWS} flows: ${result.nsPerPacket.toFixed(1)} ns and ` +
      `${result.garbageBytesPerPacket} B of garbage a packet, ${result.acksPerPacket.toFixed(2)} acknowledgments each`)
  }
}

main()
