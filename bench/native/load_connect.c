/* connect: each of N slots opens a connection, exchanges one request, closes, and begins again. */
#include "load.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

static int stopping;

static void on_open(struct connection *connection) {
  ssize_t sent = send(connection->fd, io_buffer, options.size, MSG_NOSIGNAL);
  if (sent < 0 || (size_t)sent < options.size) return engine_fail(connection, sent < 0 ? errno : ENOBUFS);
  connection->receive_left = options.size;
  engine_interest(connection, EPOLLIN);
}

static void on_event(struct connection *connection, uint32_t events) {
  (void)events;
  ssize_t received = recv(connection->fd, io_buffer, options.size, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received < 0) return engine_fail(connection, errno);
  if (received == 0 && !connection->shut) return engine_fail(connection, 0);
  if (received == 0) {
    if (engine_measuring()) {
      results.requests++;
      histogram_add(&results.latency, now_ns() - connection->started[0]);
    }
    return engine_finish(connection);
  }
  connection->receive_left -= (uint64_t)received;
  if (engine_measuring()) results.bytes += (uint64_t)received;
  if (connection->receive_left > 0) return;
  connection->shut = 1;
  shutdown(connection->fd, SHUT_WR);
}

static void begin(struct connection *connection) {
  connection->started[0] = now_ns();
  connection->shut = 0;
  engine_connect(connection);
}

/* A slot whose attempt failed at once would fail again without end: it stays closed. */
static void on_end(struct connection *connection) {
  if (!stopping && connection->receive_left == 0 && connection->shut) begin(connection);
}

void run_connect(void) {
  static const struct behaviour CONNECT = { .on_open = on_open, .on_event = on_event, .on_end = on_end };
  engine_start(&CONNECT);
  report_event("open");
  for (unsigned i = 0; i < options.connections; i++) begin(engine_connection(i));
  engine_measure();
  stopping = 1;
  engine_run(now_ns() + (uint64_t)(options.patience * 1e9));
  results.unfinished = engine_alive();
}
