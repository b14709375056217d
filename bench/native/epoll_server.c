/*
 * The server that TAS and node:net are compared with: one thread, epoll, level-triggered.
 *   --connections N   most at a time
 *   --port P   P: echo   P+1: source, sends without end   P+2: sink, reads and drops
 */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096, SPARE_FILES = 64 };

struct connection {
  int fd;
  int role;
  int is_listener;
  uint32_t interest;
  /* Echo: received and not yet sent back. */
  char *pending;
  size_t pending_len;
};

static int poll_fd;
static size_t call_bytes = 65536;
static char *buffer;

static void watch(struct connection *connection, int operation, uint32_t events) {
  if (operation == EPOLL_CTL_MOD && connection->interest == events) return;
  struct epoll_event event = { .events = events, .data.ptr = connection };
  if (epoll_ctl(poll_fd, operation, connection->fd, &event) != 0) die(1, "epoll_ctl: %s", strerror(errno));
  connection->interest = events;
}

static void drop(struct connection *connection) {
  close(connection->fd);
  free(connection->pending);
  free(connection);
}

static struct connection *new_connection(int fd, int role, int is_listener) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) die(1, "out of memory");
  connection->fd = fd;
  connection->role = role;
  connection->is_listener = is_listener;
  return connection;
}

static void accept_all(const struct connection *listener) {
  for (;;) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *connection = new_connection(fd, listener->role, 0);
    watch(connection, EPOLL_CTL_ADD, listener->role == PORT_SOURCE ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

/* Keeps what could not be sent, and stops reading until it is gone. */
static void keep(struct connection *connection, const char *bytes, size_t len) {
  if (connection->pending == NULL) connection->pending = malloc(call_bytes);
  if (connection->pending == NULL) die(1, "out of memory");
  memmove(connection->pending, bytes, len);
  connection->pending_len = len;
  watch(connection, EPOLL_CTL_MOD, len > 0 ? EPOLLOUT : EPOLLIN);
}

static int is_over(ssize_t n) { return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR); }

/* Sends what it can of `len` bytes and keeps the rest. Returns 0 when the connection is over. */
static int send_back(struct connection *connection, const char *bytes, size_t len) {
  ssize_t sent = send(connection->fd, bytes, len, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return 0;
  size_t done = sent > 0 ? (size_t)sent : 0;
  if (done < len || connection->pending_len > 0) keep(connection, bytes + done, len - done);
  return 1;
}

static int serve_echo(struct connection *connection) {
  if (connection->pending_len > 0) return send_back(connection, connection->pending, connection->pending_len);
  ssize_t received = recv(connection->fd, buffer, call_bytes, 0);
  if (is_over(received)) return 0;
  return received < 0 ? 1 : send_back(connection, buffer, (size_t)received);
}

static int serve_source(struct connection *connection, uint32_t events) {
  if (events & EPOLLIN) {
    char byte;
    if (is_over(recv(connection->fd, &byte, 1, 0))) return 0;
  }
  if (events & EPOLLOUT) return !is_over(send(connection->fd, buffer, call_bytes, MSG_NOSIGNAL));
  return 1;
}

static int serve_sink(const struct connection *connection) {
  return !is_over(recv(connection->fd, buffer, call_bytes, 0));
}

static void serve(struct connection *connection, uint32_t events) {
  int alive = !(events & EPOLLERR);
  if (alive && connection->role == PORT_ECHO) alive = serve_echo(connection);
  else if (alive && connection->role == PORT_SOURCE) alive = serve_source(connection, events);
  else if (alive) alive = serve_sink(connection);
  if (!alive) drop(connection);
}

static void listen_on(struct in_addr address, int port, int role) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd >= 0) set_congestion(fd);
  struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = address };
  if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(fd, BACKLOG) != 0) {
    die(1, "port %d: %s", port, strerror(errno));
  }
  watch(new_connection(fd, role, 1), EPOLL_CTL_ADD, EPOLLIN);
}

static void run(void) {
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(poll_fd, events, EVENTS, -1);
    if (count < 0 && errno != EINTR) die(1, "epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection->is_listener) accept_all(connection);
      else serve(connection, events[i].events);
    }
  }
}

int main(int argc, char **argv) {
  set_program("epoll_server");
  static const struct option OPTIONS[] = {
    { "address", required_argument, NULL, 'a' }, { "port", required_argument, NULL, 'p' },
    { "size", required_argument, NULL, 's' }, { "cpu", required_argument, NULL, 'c' },
    { "congestion", required_argument, NULL, 'g' }, { "connections", required_argument, NULL, 'n' }, { 0 },
  };
  struct in_addr address = { htonl(INADDR_ANY) };
  int port = 7000;
  unsigned long connections = 16384;
  for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
    if (option == 'a') address = parse_address("address", optarg);
    else if (option == 'p') port = (int)parse_number("port", optarg, 1, 65535 - PORT_COUNT);
    else if (option == 's') call_bytes = (size_t)parse_number("size", optarg, 1, 1 << 24);
    else if (option == 'c') pin_to_cpu((int)parse_number("cpu", optarg, 0, 1023));
    else if (option == 'n') connections = (unsigned long)parse_number("connections", optarg, 1, 1000000);
    else if (option == 'g') choose_congestion(optarg);
    else die(2, "usage: epoll_server [--address A] [--port P] [--size BYTES] [--cpu N] [--congestion NAME] [--connections N]");
  }
  allow_files(connections + SPARE_FILES);
  die_with_parent();
  signal(SIGPIPE, SIG_IGN);
  buffer = calloc(1, call_bytes);
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (buffer == NULL || poll_fd < 0) die(1, "start: %s", strerror(errno));
  for (int role = 0; role < PORT_COUNT; role++) listen_on(address, port + role, role);
  puts("ready");
  fflush(stdout);
  run();
}
