/* bulk-in and bulk-out: one direction as fast as it goes. */
#include "load.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void on_open(struct connection *connection) {
  engine_interest(connection, options.mode == MODE_BULK_IN ? EPOLLIN : EPOLLOUT);
}

static void on_event(struct connection *connection, uint32_t events) {
  (void)events;
  int out = options.mode == MODE_BULK_OUT;
  ssize_t n = out ? send(connection->fd, io_buffer, options.size, MSG_NOSIGNAL)
                  : recv(connection->fd, io_buffer, options.size, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return engine_fail(connection, n < 0 ? errno : 0);
  *(out ? &connection->sent : &connection->received) += (uint64_t)n;
  if (engine_measuring()) results.requests++;
}

/* Bytes of a connection that have reached the other side: what waits in the send queue has not. */
static uint64_t arrived(const struct connection *connection) {
  int queued = 0;
  if (options.mode == MODE_BULK_OUT && connection->fd >= 0) ioctl(connection->fd, SIOCOUTQ, &queued);
  return connection->sent + connection->received - (uint64_t)queued;
}

void run_bulk(void) {
  static const struct behaviour BULK = { .on_open = on_open, .on_event = on_event };
  engine_start(&BULK);
  engine_open_all();
  /* The warm-up apart, so that bytes are counted from its end. */
  engine_run(now_ns() + (uint64_t)(options.warmup * 1e9));
  options.warmup = 0;
  uint64_t *each = results.connection_bytes = calloc(options.connections, sizeof *each);
  if (each == NULL) die(1, "out of memory");
  for (unsigned i = 0; i < options.connections; i++) each[i] = arrived(engine_connection(i));
  engine_measure();
  for (unsigned i = 0; i < options.connections; i++) {
    each[i] = arrived(engine_connection(i)) - each[i];
    results.bytes += each[i];
  }
}
