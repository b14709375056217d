#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

static const struct behaviour *behaviour;
static struct connection *connections;
static int poll_fd;
static unsigned opening;
static unsigned alive;
static int measuring;

struct connection *engine_connection(unsigned index) { return &connections[index]; }
unsigned engine_alive(void) { return alive; }
int engine_measuring(void) { return measuring; }

void engine_start(const struct behaviour *mode) {
  behaviour = mode;
  connections = calloc(options.connections, sizeof *connections);
  uint64_t *times = calloc((size_t)options.connections * options.depth, sizeof *times);
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (connections == NULL || times == NULL || poll_fd < 0) die(1, "start: %s", strerror(errno));
  for (unsigned i = 0; i < options.connections; i++) {
    connections[i].fd = -1;
    connections[i].index = i;
    connections[i].started = times + (size_t)i * options.depth;
  }
}

static int port_of_mode(void) {
  if (options.mode == MODE_BULK_IN) return options.port + PORT_SOURCE;
  if (options.mode == MODE_BULK_OUT) return options.port + PORT_SINK;
  return options.port + PORT_ECHO;
}

void engine_interest(struct connection *connection, uint32_t events) {
  if (connection->interest == events) return;
  struct epoll_event event = { .events = events, .data.ptr = connection };
  int operation = connection->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(poll_fd, operation, connection->fd, &event) != 0) die(1, "epoll_ctl: %s", strerror(errno));
  connection->interest = events;
}

static void end(struct connection *connection) {
  if (connection->state == STATE_OPENING) opening--;
  if (connection->fd >= 0) close(connection->fd);
  connection->fd = -1;
  connection->interest = 0;
  connection->state = STATE_DONE;
  alive--;
  if (behaviour->on_end != NULL) behaviour->on_end(connection);
}

void engine_finish(struct connection *connection) { end(connection); }

void engine_fail(struct connection *connection, int error) {
  if (connection->state == STATE_OPENING) results.connect_failed++;
  else if (error == 0) results.early_end++;
  else results.reset++;
  if (results.first_errno == 0) results.first_errno = error;
  end(connection);
}

static void opened(struct connection *connection) {
  opening--;
  connection->state = STATE_OPEN;
  connection->opened_ns = now_ns();
  results.opened++;
  behaviour->on_open(connection);
}

/* The address of a connection's own end, its port left to the kernel until it connects. */
static void bind_source(const struct connection *connection) {
  if (options.source.s_addr == 0) return;
  int one = 1;
  struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = options.source };
  setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(connection->fd, (struct sockaddr *)&name, sizeof name) != 0) die(1, "--source: %s", strerror(errno));
}

void engine_connect(struct connection *connection) {
  struct sockaddr_in name = {
    .sin_family = AF_INET, .sin_port = htons((uint16_t)port_of_mode()), .sin_addr = options.address,
  };
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) die(1, "socket: %s", strerror(errno));
  int one = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  set_congestion(connection->fd);
  bind_source(connection);
  connection->state = STATE_OPENING;
  connection->opened_ns = now_ns();
  opening++;
  alive++;
  if (connect(connection->fd, (struct sockaddr *)&name, sizeof name) == 0) opened(connection);
  else if (errno == EINPROGRESS) engine_interest(connection, EPOLLOUT);
  else engine_fail(connection, errno);
}

static int socket_error(const struct connection *connection) {
  int error = 0;
  socklen_t len = sizeof error;
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len);
  return error;
}

static void handle(struct connection *connection, uint32_t events) {
  if (connection->state == STATE_OPENING) {
    int error = socket_error(connection);
    if (error != 0) engine_fail(connection, error);
    else opened(connection);
    return;
  }
  if (events & EPOLLERR) engine_fail(connection, socket_error(connection));
  else behaviour->on_event(connection, events);
}

static void poll_once(uint64_t end_ns) {
  struct epoll_event events[EVENTS];
  uint64_t now = now_ns();
  struct timespec wait = { 0 };
  if (now < end_ns) {
    wait.tv_sec = (time_t)((end_ns - now) / 1000000000u);
    wait.tv_nsec = (long)((end_ns - now) % 1000000000u);
  }
  int count = epoll_pwait2(poll_fd, events, EVENTS, &wait, NULL);
  if (count < 0 && errno != EINTR) die(1, "epoll_pwait2: %s", strerror(errno));
  for (int i = 0; i < count; i++) handle(events[i].data.ptr, events[i].events);
}

void engine_run(uint64_t end_ns) {
  while (alive > 0 && now_ns() < end_ns) poll_once(end_ns);
}

static uint64_t after(double seconds) { return now_ns() + (uint64_t)(seconds * 1e9); }

void engine_open_all(void) {
  uint64_t deadline = after(options.patience);
  unsigned next = 0;
  while ((next < options.connections || opening > 0) && now_ns() < deadline) {
    while (next < options.connections && opening < options.opening) engine_connect(&connections[next++]);
    if (opening > 0) poll_once(deadline);
  }
  for (unsigned i = 0; i < options.connections; i++) {
    if (connections[i].state != STATE_NEW && connections[i].state != STATE_OPENING) continue;
    results.connect_timeout++;
    if (connections[i].state == STATE_OPENING) end(&connections[i]);
  }
  report_event("open");
  if (options.hold) await_signal();
}

/* Like engine_run, with ticks. Those that are late are left out. */
static void run_with_ticks(uint64_t end_ns) {
  if (behaviour->on_tick == NULL) return engine_run(end_ns);
  for (uint64_t due_ns = now_ns(); alive > 0 && due_ns < end_ns;) {
    behaviour->on_tick();
    due_ns += options.interval_ns;
    while (due_ns < now_ns()) due_ns += options.interval_ns;
    engine_run(due_ns < end_ns ? due_ns : end_ns);
  }
}

/* CPU time of this process so far, user and system. */
static double cpu_seconds(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void engine_measure(void) {
  run_with_ticks(after(options.warmup));
  report_event("measure");
  measuring = 1;
  uint64_t start = now_ns();
  double start_cpu = cpu_seconds();
  run_with_ticks(start + (uint64_t)(options.seconds * 1e9));
  measuring = 0;
  results.seconds = (double)(now_ns() - start) / 1e9;
  results.cpu_seconds = cpu_seconds() - start_cpu;
}
