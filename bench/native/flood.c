/*
 * Floods a host with what strangers may send: for tests and benchmarks on links of their own. Frames are written to
 * the interface as they are, so their source addresses can be anything (198.18.0.0/15, RFC 2544).
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum kind { KIND_SYN, KIND_ACK, KIND_RST, KIND_PING, KIND_GARBAGE, KIND_SLOW, KIND_COUNT };
static const char *const KIND_NAMES[KIND_COUNT] = { "syn", "ack", "rst", "ping", "garbage", "slow" };

enum { BATCH = 32, FRAME_BYTES = 128, PING_BYTES = 56, GARBAGE_BYTES = 100, IP_AT = 14, L4_AT = 34 };
enum { SYN_OPTIONS_BYTES = 20 };

static struct {
  enum kind kind;
  struct in_addr address, source;
  const char *interface;
  uint8_t mac[6];
  int port;
  unsigned connections;
  long rate;
  double seconds;
  uint64_t random;
} options = { .port = 7000, .connections = 100, .seconds = 2, .random = 1 };

static const char HELP[] =
  "usage: flood --kind K --address A [options]\n"
  "  --kind K         syn, ack, rst (random numbers), ping, garbage: frames written to --interface\n"
  "                   slow: TCP connections that never read\n"
  "  --address A      target's IPv4 address       --port P   target's port (7000)\n"
  "  --mac M          target's MAC address        --interface I\n"
  "  --source A       source address of all frames (random ones of 198.18.0.0/15)\n"
  "  --rate N         frames a second, 0: as many as go (0)\n"
  "  --connections N  of slow (100)\n"
  "  --seconds S      (2)    --seed N  (1)    --cpu N  run on this CPU only\n"
  "Prints {\"event\":\"start\"}, then {\"event\":\"result\",\"frames\":N} at the end.\n";

/* splitmix64 */
static uint64_t next_random(void) {
  uint64_t z = (options.random += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i + 1 < len; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  return sum;
}

static uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

static void fill_ip(uint8_t *frame, uint8_t protocol, size_t payload) {
  struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = protocol, .tot_len = htons((uint16_t)(20 + payload)),
    .saddr = options.source.s_addr, .daddr = options.address.s_addr };
  if (ip.saddr == 0) ip.saddr = htonl(0xc6120000u | (uint32_t)(next_random() & 0x1ffff));
  ip.check = fold(add_words(0, (const uint8_t *)&ip, sizeof ip));
  memcpy(frame + IP_AT, &ip, sizeof ip);
}

/* MSS, SACK permitted, timestamps, window scale: what Linux offers. */
static void fill_syn_options(uint8_t *at) {
  static const uint8_t OFFER[SYN_OPTIONS_BYTES] = { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7 };
  memcpy(at, OFFER, sizeof OFFER);
}

static size_t fill_tcp(uint8_t *frame) {
  uint64_t bits = next_random();
  size_t extra = options.kind == KIND_SYN ? SYN_OPTIONS_BYTES : 0;
  struct tcphdr tcp = { .source = htons((uint16_t)(1024 + bits % 60000)), .dest = htons((uint16_t)options.port),
    .seq = (uint32_t)(bits >> 32), .doff = 5 + extra / 4, .window = htons(64240) };
  tcp.syn = options.kind == KIND_SYN;
  tcp.ack = options.kind == KIND_ACK;
  tcp.rst = options.kind == KIND_RST;
  if (tcp.ack) tcp.ack_seq = (uint32_t)next_random();
  size_t len = sizeof tcp + extra;
  fill_ip(frame, IPPROTO_TCP, len);
  memcpy(frame + L4_AT, &tcp, sizeof tcp);
  if (extra > 0) fill_syn_options(frame + L4_AT + sizeof tcp);
  uint32_t sum = add_words(IPPROTO_TCP + (uint32_t)len, frame + IP_AT + 12, 8);
  uint16_t check = fold(add_words(sum, frame + L4_AT, len));
  memcpy(frame + L4_AT + offsetof(struct tcphdr, check), &check, 2);
  return L4_AT + len;
}

static size_t fill_ping(uint8_t *frame) {
  fill_ip(frame, IPPROTO_ICMP, 8 + PING_BYTES);
  memset(frame + L4_AT, 0, 8 + PING_BYTES);
  frame[L4_AT] = 8;
  uint16_t check = fold(add_words(0, frame + L4_AT, 8 + PING_BYTES));
  memcpy(frame + L4_AT + 2, &check, 2);
  return L4_AT + 8 + PING_BYTES;
}

/* An IPv4 packet by its type; the rest is noise. */
static size_t fill_garbage(uint8_t *frame) {
  for (size_t i = IP_AT; i < GARBAGE_BYTES; i += 8) {
    uint64_t bits = next_random();
    memcpy(frame + i, &bits, 8);
  }
  return GARBAGE_BYTES;
}

static size_t fill(uint8_t *frame) {
  memcpy(frame, options.mac, 6);
  memcpy(frame + 6, "\x02\x46\x4c\x4f\x4f\x44", 6);
  frame[12] = 8;
  frame[13] = 0;
  if (options.kind == KIND_PING) return fill_ping(frame);
  return options.kind == KIND_GARBAGE ? fill_garbage(frame) : fill_tcp(frame);
}

static int open_raw(void) {
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) die(1, "packet socket: %s", strerror(errno));
  struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(options.interface) };
  if (at.sll_ifindex == 0) die(1, "--interface: \"%s\": %s", options.interface, strerror(errno));
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0) die(1, "bind: %s", strerror(errno));
  int on = 1;
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  return fd;
}

static void say_start(void) {
  puts("{\"event\":\"start\"}");
  fflush(stdout);
}

static void sleep_until(uint64_t ns) {
  struct timespec at = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
  }
}

static unsigned long flood_frames(void) {
  static uint8_t frames[BATCH][FRAME_BYTES];
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH] = { 0 };
  int fd = open_raw();
  say_start();
  uint64_t start = now_ns(), end = start + (uint64_t)(options.seconds * 1e9);
  unsigned long sent = 0;
  while (now_ns() < end) {
    for (int i = 0; i < BATCH; i++) {
      parts[i] = (struct iovec){ .iov_base = frames[i], .iov_len = fill(frames[i]) };
      messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
    }
    int done = sendmmsg(fd, messages, BATCH, 0);
    if (done < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) die(1, "sendmmsg: %s", strerror(errno));
    if (done > 0) sent += (unsigned long)done;
    if (options.rate > 0) sleep_until(start + (uint64_t)((double)sent * 1e9 / (double)options.rate));
  }
  return sent;
}

/* Connections with the smallest buffer there is. The server may have written all it likes: nobody reads it. */
static unsigned long flood_slow(void) {
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = options.address, .sin_port = htons((uint16_t)options.port) };
  unsigned long opened = 0;
  allow_files(options.connections + 64);
  say_start();
  uint64_t end = now_ns() + (uint64_t)(options.seconds * 1e9);
  for (unsigned i = 0; i < options.connections && now_ns() < end; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), smallest = 1;
    if (fd < 0) die(1, "socket: %s", strerror(errno));
    struct timeval patience = { .tv_sec = 3 };
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) opened++;
  }
  sleep_until(end);
  return opened;
}

static enum kind parse_kind(const char *text) {
  for (int kind = 0; kind < KIND_COUNT; kind++) {
    if (strcmp(text, KIND_NAMES[kind]) == 0) return (enum kind)kind;
  }
  die(2, "--kind: \"%s\": must be syn, ack, rst, ping, garbage or slow", text);
}

static void parse_mac(const char *text) {
  unsigned b[6];
  if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6) die(2, "--mac: \"%s\": no MAC address", text);
  for (int i = 0; i < 6; i++) options.mac[i] = (uint8_t)b[i];
}

enum option_id { O_KIND = 1, O_ADDRESS, O_PORT, O_MAC, O_INTERFACE, O_SOURCE, O_RATE, O_CONNECTIONS, O_SECONDS, O_SEED, O_CPU, O_HELP };

static const struct option OPTIONS[] = {
  { "kind", required_argument, NULL, O_KIND }, { "address", required_argument, NULL, O_ADDRESS },
  { "port", required_argument, NULL, O_PORT }, { "mac", required_argument, NULL, O_MAC },
  { "interface", required_argument, NULL, O_INTERFACE }, { "source", required_argument, NULL, O_SOURCE },
  { "rate", required_argument, NULL, O_RATE }, { "connections", required_argument, NULL, O_CONNECTIONS },
  { "seconds", required_argument, NULL, O_SECONDS }, { "seed", required_argument, NULL, O_SEED },
  { "cpu", required_argument, NULL, O_CPU }, { "help", no_argument, NULL, O_HELP }, { 0 },
};

static void parse_one(int id, const char *value) {
  switch (id) {
    case O_KIND: options.kind = parse_kind(value); break;
    case O_ADDRESS: options.address = parse_address("address", value); break;
    case O_PORT: options.port = (int)parse_number("port", value, 1, 65535); break;
    case O_MAC: parse_mac(value); break;
    case O_INTERFACE: options.interface = value; break;
    case O_SOURCE: options.source = parse_address("source", value); break;
    case O_RATE: options.rate = parse_number("rate", value, 0, 100000000); break;
    case O_CONNECTIONS: options.connections = (unsigned)parse_number("connections", value, 1, 60000); break;
    case O_SECONDS: options.seconds = parse_seconds("seconds", value); break;
    case O_SEED: options.random = (uint64_t)parse_number("seed", value, 0, 2147483647); break;
    case O_CPU: pin_to_cpu((int)parse_number("cpu", value, 0, 1023)); break;
    case O_HELP: fputs(HELP, stdout); exit(0);
    default: die(2, "see flood --help");
  }
}

int main(int argc, char **argv) {
  set_program("flood");
  die_with_parent();
  for (int id; (id = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) parse_one(id, optarg);
  if (optind < argc) die(2, "unexpected \"%s\": see flood --help", argv[optind]);
  if (options.address.s_addr == 0) die(2, "--address: missing: the target's IPv4 address");
  if (options.kind != KIND_SLOW && options.interface == NULL) die(2, "--interface: missing: where the frames go out");
  unsigned long frames = options.kind == KIND_SLOW ? flood_slow() : flood_frames();
  printf("{\"event\":\"result\",\"frames\":%lu}\n", frames);
  return 0;
}
