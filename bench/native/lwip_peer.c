/*
 * A peer for the interoperation tests on lwIP instead of the Linux kernel: one connection, played by options, on an interface whose
 * packets it takes and sends itself. It has an address and a MAC of its own beside those of the kernel there.
 *
 *   main thread: AF_PACKET -> ethernet_input        lwIP's thread: timers        both under lwIP's core lock, as are all callbacks
 *
 * What is sent follows from a seed (mulberry32, as in test/e2e/seeded.ts); what comes is compared with what follows from another.
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>
#include <netif/ethernet.h>

enum { FRAME_MAX = 1514, CHUNK = 4096, REQUEST_MAX = 3000 };
/* Slow timer ticks (500 ms) between calls of poll callbacks. */
enum { POLL_TICKS = 1 };

static const char USAGE[] =
  "usage: lwip_peer --interface=NAME --address=ADDRESS (--listen=PORT | --connect=ADDRESS:PORT)\n"
  "                 [--send=BYTES --send-seed=N] [--receive=BYTES --receive-seed=N] [--requests=COUNT] [--echo] [--pause=MS]";

struct random { uint32_t state, word; int left; };

struct options {
  const char *interface;
  struct in_addr address, remote;
  int listen_port, connect_port, echo, pause_ms;
  uint64_t send, receive, requests;
  uint32_t send_seed, receive_seed;
};

/* Everything below is touched under the core lock only. */
static struct options options;
static struct netif interface;
static int packet_socket = -1;
static struct tcp_pcb *connection;
static struct random to_send, to_compare;
static uint64_t sent, received, acknowledged, asked;
static uint64_t request_left, answer_left;
static uint8_t pending[CHUNK];
static unsigned pending_at, pending_end;
static int fin_sent, fin_received, finished;
static uint64_t opened_ns, unread;

static uint8_t random_byte(struct random *random) {
  if (random->left == 0) {
    random->state += 0x6d2b79f5u;
    uint32_t t = (random->state ^ (random->state >> 15)) * (1u | random->state);
    t = (t + (t ^ (t >> 7)) * (61u | t)) ^ t;
    random->word = t ^ (t >> 14);
    random->left = 4;
  }
  uint8_t byte = (uint8_t)random->word;
  random->word >>= 8;
  random->left--;
  return byte;
}

/* Tells the result. Then lwIP goes on, for the last acknowledgment and what the other side repeats, until this process is ended. */
static void finish(const char *error) {
  if (finished) return;
  finished = 1;
  printf("{\"event\":\"end\",\"sent\":%llu,\"acknowledged\":%llu,\"received\":%llu,\"error\":\"%s\"}\n", (unsigned long long)sent,
    (unsigned long long)acknowledged, (unsigned long long)received, error);
  fflush(stdout);
}

/* --- the interface */

static err_t link_output(struct netif *netif, struct pbuf *packet) {
  (void)netif;
  uint8_t frame[FRAME_MAX];
  u16_t len = pbuf_copy_partial(packet, frame, sizeof frame, 0);
  if (len != packet->tot_len) return ERR_BUF;
  /* A full queue is a loss like any other. */
  return write(packet_socket, frame, len) == len ? ERR_OK : ERR_IF;
}

static err_t set_up_interface(struct netif *netif) {
  netif->name[0] = 't';
  netif->name[1] = '0';
  netif->mtu = 1500;
  netif->hwaddr_len = ETH_HWADDR_LEN;
  const uint8_t mac[ETH_HWADDR_LEN] = { 0x02, 0x6c, 0x77, 0x69, 0x70, 0x01 };
  memcpy(netif->hwaddr, mac, sizeof mac);
  netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
  netif->output = etharp_output;
  netif->linkoutput = link_output;
  return ERR_OK;
}

static void open_packet_socket(void) {
  packet_socket = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (packet_socket < 0) die(1, "packet socket: %s", strerror(errno));
  struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(options.interface) };
  if (at.sll_ifindex == 0) die(1, "--interface: %s: %s", options.interface, strerror(errno));
  if (bind(packet_socket, (struct sockaddr *)&at, sizeof at) != 0) die(1, "%s: %s", options.interface, strerror(errno));
}

static void receive_frames(void) {
  uint8_t frame[65536];
  for (;;) {
    struct sockaddr_ll from;
    socklen_t from_len = sizeof from;
    ssize_t len = recvfrom(packet_socket, frame, sizeof frame, 0, (struct sockaddr *)&from, &from_len);
    if (len < 0 && errno == EINTR) continue;
    if (len < 0) die(1, "%s: %s", options.interface, strerror(errno));
    if (from.sll_pkttype == PACKET_OUTGOING || len > FRAME_MAX) continue;
    LOCK_TCPIP_CORE();
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_RAM);
    if (packet != NULL && (pbuf_take(packet, frame, (u16_t)len) != ERR_OK || ethernet_input(packet, &interface) != ERR_OK)) pbuf_free(packet);
    UNLOCK_TCPIP_CORE();
  }
}

/* --- the connection */

static int is_paused(void) {
  return options.pause_ms > 0 && now_ns() - opened_ns < (uint64_t)options.pause_ms * 1000000u;
}

static uint64_t total_to_send(void) {
  return options.requests > 0 || options.echo ? UINT64_MAX : options.send;
}

/* The next bytes to go out into `pending`. Returns 0 if there are none now. */
static int refill(void) {
  if (pending_at < pending_end) return 1;
  uint64_t left = options.requests > 0 ? request_left : options.send - sent;
  if (left == 0) return 0;
  pending_at = 0;
  pending_end = left < CHUNK ? (unsigned)left : CHUNK;
  for (unsigned i = 0; i < pending_end; i++) pending[i] = random_byte(&to_send);
  return 1;
}

static void close_sending(void) {
  if (fin_sent) return;
  err_t error = tcp_shutdown(connection, 0, 1);
  if (error == ERR_OK) fin_sent = 1;
  else if (error != ERR_MEM) finish("shutdown");
}

static void next_request(void) {
  if (options.requests == 0 || request_left > 0 || answer_left > 0) return;
  if (asked == options.requests) {
    close_sending();
    return;
  }
  asked++;
  request_left = answer_left = 1 + (asked * 977) % REQUEST_MAX;
}

static void push(void) {
  if (options.echo || connection == NULL || fin_sent) return;
  next_request();
  while (refill()) {
    u16_t room = tcp_sndbuf(connection);
    unsigned len = pending_end - pending_at < room ? pending_end - pending_at : room;
    if (len == 0) break;
    if (tcp_write(connection, pending + pending_at, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK) break;
    pending_at += len;
    sent += len;
    if (options.requests > 0) request_left -= len;
  }
  if (sent == total_to_send()) close_sending();
  tcp_output(connection);
}

/* The end: both FINs are through, ours acknowledged. */
static void end_if_done(void) {
  if (connection == NULL || !fin_received || !fin_sent || connection->unacked != NULL || connection->unsent != NULL) return;
  finish(options.receive > 0 && received != options.receive ? "not everything has arrived" : "");
}

static void compare(const struct pbuf *packet) {
  for (const struct pbuf *part = packet; part != NULL; part = part->next) {
    for (unsigned i = 0; i < part->len; i++) {
      if (((const uint8_t *)part->payload)[i] == random_byte(&to_compare)) continue;
      finish("what arrived differs from what was sent");
      return;
    }
  }
}

static int echo(struct pbuf *packet) {
  if (tcp_sndbuf(connection) < packet->tot_len || tcp_sndqueuelen(connection) + 2 * pbuf_clen(packet) + 4 > TCP_SND_QUEUELEN) return 0;
  for (const struct pbuf *part = packet; part != NULL; part = part->next) {
    if (tcp_write(connection, part->payload, part->len, TCP_WRITE_FLAG_COPY) != ERR_OK) finish("out of memory for the echo");
    sent += part->len;
  }
  return 1;
}

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *packet, err_t error) {
  (void)argument;
  (void)error;
  if (packet == NULL) {
    fin_received = 1;
    if (options.echo) close_sending();
    end_if_done();
    return ERR_OK;
  }
  if (options.echo && !echo(packet)) return ERR_MEM;
  if (!options.echo) compare(packet);
  received += packet->tot_len;
  if (options.requests > 0) answer_left = packet->tot_len > answer_left ? 0 : answer_left - packet->tot_len;
  if (is_paused()) unread += packet->tot_len;
  else tcp_recved(pcb, packet->tot_len);
  pbuf_free(packet);
  push();
  tcp_output(pcb);
  return ERR_OK;
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t len) {
  (void)argument;
  (void)pcb;
  acknowledged += len;
  push();
  return ERR_OK;
}

static void give_back(struct tcp_pcb *pcb) {
  while (unread > 0) {
    u16_t len = unread < 0xffff ? (u16_t)unread : 0xffff;
    tcp_recved(pcb, len);
    unread -= len;
  }
}

static err_t on_poll(void *argument, struct tcp_pcb *pcb) {
  (void)argument;
  if (!is_paused()) give_back(pcb);
  if (options.echo && fin_received) close_sending();
  push();
  end_if_done();
  return ERR_OK;
}

static void on_error(void *argument, err_t error) {
  (void)argument;
  connection = NULL;
  /* lwIP's word for the end of LAST-ACK. */
  if (error == ERR_CLSD && fin_received && fin_sent) finish(options.receive > 0 && received != options.receive ? "not everything has arrived" : "");
  else finish(error == ERR_RST ? "ECONNRESET" : error == ERR_ABRT ? "ECONNABORTED" : "connection failed");
}

static err_t on_open(void *argument, struct tcp_pcb *pcb, err_t error) {
  (void)argument;
  if (error != ERR_OK) finish("connection failed");
  connection = pcb;
  opened_ns = now_ns();
  tcp_recv(pcb, on_received);
  tcp_sent(pcb, on_sent);
  tcp_err(pcb, on_error);
  tcp_poll(pcb, on_poll, POLL_TICKS);
  tcp_nagle_disable(pcb);
  puts("{\"event\":\"open\"}");
  fflush(stdout);
  push();
  return ERR_OK;
}

static void open_connection(void) {
  struct tcp_pcb *pcb = tcp_new();
  if (pcb == NULL) die(1, "no memory");
  if (options.listen_port > 0) {
    if (tcp_bind(pcb, IP_ADDR_ANY, (u16_t)options.listen_port) != ERR_OK) die(1, "--listen: %d: in use", options.listen_port);
    pcb = tcp_listen(pcb);
    if (pcb == NULL) die(1, "no memory");
    tcp_accept(pcb, on_open);
    return;
  }
  ip_addr_t remote = IPADDR4_INIT(options.remote.s_addr);
  tcp_err(pcb, on_error);
  if (tcp_connect(pcb, &remote, (u16_t)options.connect_port, on_open) != ERR_OK) die(1, "--connect: refused by lwIP");
}

/* --- options */

static void parse_remote(const char *text) {
  char address[INET_ADDRSTRLEN];
  const char *colon = strchr(text, ':');
  if (colon == NULL || (size_t)(colon - text) >= sizeof address) die(2, "--connect: \"%s\": want ADDRESS:PORT", text);
  memcpy(address, text, (size_t)(colon - text));
  address[colon - text] = 0;
  options.remote = parse_address("--connect", address);
  options.connect_port = (int)parse_number("--connect", colon + 1, 1, 65535);
}

static const char *value_of(const char *argument, const char *name) {
  size_t len = strlen(name);
  return strncmp(argument, name, len) == 0 && argument[len] == '=' ? argument + len + 1 : NULL;
}

static void parse_option(const char *argument) {
  const char *value;
  const long most = 1L << 40, seed = 0xffffffffL;
  if (strcmp(argument, "--echo") == 0) options.echo = 1;
  else if ((value = value_of(argument, "--interface"))) options.interface = value;
  else if ((value = value_of(argument, "--address"))) options.address = parse_address("--address", value);
  else if ((value = value_of(argument, "--listen"))) options.listen_port = (int)parse_number("--listen", value, 1, 65535);
  else if ((value = value_of(argument, "--connect"))) parse_remote(value);
  else if ((value = value_of(argument, "--send"))) options.send = (uint64_t)parse_number("--send", value, 0, most);
  else if ((value = value_of(argument, "--send-seed"))) options.send_seed = (uint32_t)parse_number("--send-seed", value, 0, seed);
  else if ((value = value_of(argument, "--receive"))) options.receive = (uint64_t)parse_number("--receive", value, 0, most);
  else if ((value = value_of(argument, "--receive-seed"))) options.receive_seed = (uint32_t)parse_number("--receive-seed", value, 0, seed);
  else if ((value = value_of(argument, "--requests"))) options.requests = (uint64_t)parse_number("--requests", value, 1, 1000000);
  else if ((value = value_of(argument, "--pause"))) options.pause_ms = (int)parse_number("--pause", value, 0, 60000);
  else die(2, "%s: unknown option\n%s", argument, USAGE);
}

int main(int argc, char **argv) {
  set_program("lwip_peer");
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    puts(LWIP_VERSION_STRING);
    return 0;
  }
  for (int i = 1; i < argc; i++) parse_option(argv[i]);
  if (options.interface == NULL || options.address.s_addr == 0 || (options.listen_port > 0) == (options.connect_port > 0)) die(2, "%s", USAGE);
  die_with_parent();
  /* lwIP takes initial sequence numbers' start and ports from rand(): two runs must not meet in TIME-WAIT. */
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  srand((unsigned)(now.tv_nsec ^ now.tv_sec ^ getpid()));
  to_send.state = options.send_seed;
  to_compare.state = options.requests > 0 ? options.send_seed : options.receive_seed;
  open_packet_socket();
  tcpip_init(NULL, NULL);
  LOCK_TCPIP_CORE();
  ip4_addr_t address = { options.address.s_addr }, mask = { htonl(0xffffff00u) }, gateway = { 0 };
  if (netif_add(&interface, &address, &mask, &gateway, NULL, set_up_interface, ethernet_input) == NULL) die(1, "netif_add failed");
  netif_set_default(&interface);
  netif_set_up(&interface);
  open_connection();
  UNLOCK_TCPIP_CORE();
  puts("{\"event\":\"ready\"}");
  fflush(stdout);
  receive_frames();
}
