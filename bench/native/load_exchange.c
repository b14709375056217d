/* echo, verify and idle: all connections are opened first, then they exchange. */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static char *expected;
static int exchanging;

/* Byte `position` of connection `index`'s stream is a byte of splitmix64, so that any part can be made anew. */
static uint64_t random_word(unsigned index, uint64_t word) {
  uint64_t z = options.seed * 0x9e3779b97f4a7c15u + ((uint64_t)index << 40) + (word + 1) * 0xd1342543de82ef95u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void fill(char *bytes, unsigned index, uint64_t position, size_t len) {
  for (size_t i = 0; i < len; i++, position++) {
    bytes[i] = (char)(random_word(index, position / 8) >> (8 * (position % 8)));
  }
}

static size_t message_size(const struct connection *connection) {
  if (options.mode != MODE_VERIFY) return options.size;
  return 1 + random_word(~connection->index, connection->rounds_left) % options.size;
}

static void start_request(struct connection *connection) {
  unsigned slot = connection->oldest;
  connection->started[slot] = now_ns();
  connection->oldest = slot + 1 == options.depth ? 0 : slot + 1;
  connection->send_left += message_size(connection);
}

/* Returns 0 when the connection has ended. */
static int send_some(struct connection *connection) {
  while (connection->send_left > 0) {
    size_t len = connection->send_left < call_bytes ? (size_t)connection->send_left : call_bytes;
    if (options.mode == MODE_VERIFY) fill(io_buffer, connection->index, connection->sent, len);
    ssize_t sent = send(connection->fd, io_buffer, len, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (sent < 0) {
      engine_fail(connection, errno);
      return 0;
    }
    connection->sent += (uint64_t)sent;
    connection->send_left -= (uint64_t)sent;
  }
  engine_interest(connection, connection->send_left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
  return 1;
}

static void begin(struct connection *connection) {
  connection->rounds_left = options.rounds;
  connection->receive_left = message_size(connection);
  for (unsigned i = 0; i < options.depth; i++) start_request(connection);
  send_some(connection);
}

static void complete(struct connection *connection) {
  if (engine_measuring() || options.mode == MODE_VERIFY) {
    results.requests++;
    histogram_add(&results.latency, now_ns() - connection->started[connection->oldest]);
  }
  if (options.mode == MODE_VERIFY && --connection->rounds_left == 0) {
    connection->shut = 1;
    shutdown(connection->fd, SHUT_WR);
    return;
  }
  if (options.interval_ns > 0) {
    connection->resting = 1;
    return;
  }
  connection->receive_left = message_size(connection);
  start_request(connection);
}

/* The next request of each connection that has its answer. */
static void on_tick(void) {
  for (unsigned i = 0; i < options.connections; i++) {
    struct connection *connection = engine_connection(i);
    if (connection->state != STATE_OPEN || !connection->resting) continue;
    connection->resting = 0;
    connection->receive_left = message_size(connection);
    start_request(connection);
    send_some(connection);
  }
}

static int is_active(unsigned index) {
  unsigned stride = options.active == 0 ? 1 : options.connections / options.active;
  return index % stride == 0 && (options.active == 0 || index / stride < options.active);
}

/* Compares and counts `len` received bytes; answers may be several, or parts of one. Returns 0 if they are wrong. */
static int take(struct connection *connection, size_t len) {
  if (options.mode == MODE_VERIFY) {
    fill(expected, connection->index, connection->received, len);
    if (connection->received + len > connection->sent || memcmp(expected, io_buffer, len) != 0) return 0;
  }
  connection->received += len;
  if (engine_measuring() || options.mode == MODE_VERIFY) results.bytes += len;
  while (len > 0 && !connection->shut && !connection->resting) {
    size_t part = len < connection->receive_left ? len : (size_t)connection->receive_left;
    connection->receive_left -= part;
    len -= part;
    if (connection->receive_left == 0) complete(connection);
  }
  return len == 0;
}

static void on_event(struct connection *connection, uint32_t events) {
  if (events & (EPOLLIN | EPOLLHUP)) {
    ssize_t received = recv(connection->fd, io_buffer, call_bytes, 0);
    if (received == 0 && connection->shut) return engine_finish(connection);
    if (received == 0) return engine_fail(connection, 0);
    if (received < 0 && errno != EAGAIN && errno != EINTR) return engine_fail(connection, errno);
    if (received > 0 && !take(connection, (size_t)received)) {
      results.mismatch++;
      return engine_finish(connection);
    }
  }
  send_some(connection);
}

static void on_open(struct connection *connection) {
  /* Idle connections and those that wait for the others still notice when the peer goes. */
  engine_interest(connection, EPOLLIN);
  if (exchanging) begin(connection);
}

static void run_verify(void) {
  uint64_t start = now_ns();
  engine_run(start + (uint64_t)(options.patience * 1e9));
  results.seconds = (double)(now_ns() - start) / 1e9;
  results.unfinished = engine_alive();
}

void run_exchange(void) {
  static const struct behaviour EXCHANGE = { .on_open = on_open, .on_event = on_event };
  static const struct behaviour PACED = { .on_open = on_open, .on_event = on_event, .on_tick = on_tick };
  if (options.mode == MODE_VERIFY) {
    options.depth = 1;
    expected = malloc(options.size);
    if (expected == NULL) die(1, "out of memory");
  }
  engine_start(options.interval_ns > 0 ? &PACED : &EXCHANGE);
  engine_open_all();
  exchanging = 1;
  for (unsigned i = 0; options.mode != MODE_IDLE && i < options.connections; i++) {
    if (engine_connection(i)->state == STATE_OPEN && is_active(i)) begin(engine_connection(i));
  }
  if (options.mode == MODE_VERIFY) run_verify();
  else engine_measure();
}
