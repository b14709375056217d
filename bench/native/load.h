/*
 * The load client. One thread, epoll, closed loop: a connection sends its next request when an answer is complete.
 *
 *   load_options   command line           load_exchange   echo, verify, idle
 *   load_engine    connections, epoll     load_connect    open, one exchange, close, again
 *   load_report    the line of JSON       load_bulk       one direction as fast as it goes
 */
#ifndef TASJS_BENCH_LOAD_H
#define TASJS_BENCH_LOAD_H

#include "common.h"
#include "histogram.h"

#include <stddef.h>

enum mode { MODE_ECHO, MODE_VERIFY, MODE_IDLE, MODE_CONNECT, MODE_BULK_IN, MODE_BULK_OUT, MODE_COUNT };
extern const char *const MODE_NAMES[MODE_COUNT];

struct options {
  struct in_addr address;
  int port;
  enum mode mode;
  unsigned connections;
  size_t size;
  unsigned depth;
  /* How many connections exchange, evenly among all; the others are idle. */
  unsigned active;
  /* Time from one request of a connection to its next; 0: as soon as the answer has come. */
  uint64_t interval_ns;
  /* verify: messages of each connection. */
  unsigned rounds;
  /* Most handshakes under way at a time. */
  unsigned opening;
  double seconds;
  double warmup;
  /* Most seconds to open all connections; verify: also to finish. */
  double patience;
  uint64_t seed;
  /* Address of the own end; 0: the kernel chooses. */
  struct in_addr source;
  /* Waits for SIGUSR1 when all connections are open: several clients are to measure at the same time. */
  int hold;
  /* Ends by a signal alone: what is looked at when the results come is not to have the end of all connections in it. */
  int keep;
  /* Reports all latencies, not only some percentiles. */
  int histogram;
};

struct results {
  uint64_t opened;
  uint64_t requests;
  uint64_t bytes;
  double seconds;
  /* Of this process in that time, user and system. */
  double cpu_seconds;
  struct histogram latency;
  /* Errors by kind. */
  uint64_t connect_failed;
  uint64_t connect_timeout;
  uint64_t reset;
  uint64_t early_end;
  uint64_t mismatch;
  uint64_t unfinished;
  /* Of each connection, in bulk modes; otherwise NULL. */
  uint64_t *connection_bytes;
  /* errno of the first failed connection attempt or broken connection, 0 if none. */
  int first_errno;
};

enum state { STATE_NEW, STATE_OPENING, STATE_OPEN, STATE_DONE };

struct connection {
  int fd;
  unsigned index;
  enum state state;
  uint32_t interest;
  /* Bytes of requests not yet handed to the kernel, and of the answer not yet received. */
  uint64_t send_left;
  uint64_t receive_left;
  /* Positions in both byte streams. */
  uint64_t sent;
  uint64_t received;
  unsigned rounds_left;
  int shut;
  /* The answer is complete and the next request is not due. */
  int resting;
  /* When requests were started: a ring of `depth` times. */
  uint64_t *started;
  unsigned oldest;
  uint64_t opened_ns;
};

/* What a mode does when a connection opens and when something happens on it. */
struct behaviour {
  void (*on_open)(struct connection *connection);
  void (*on_event)(struct connection *connection, uint32_t events);
  /* After a connection ended, by engine_finish or engine_fail; may be NULL. */
  void (*on_end)(struct connection *connection);
  /* Every options.interval_ns of a measurement; NULL: never. */
  void (*on_tick)(void);
};

extern struct options options;
extern struct results results;
/* What one call sends or receives, and room for it. */
extern char *io_buffer;
extern size_t call_bytes;

void options_parse(int argc, char **argv);

void engine_start(const struct behaviour *behaviour);
/* Opens connections, at most options.opening at a time, until all are open or have failed. */
void engine_open_all(void);
void engine_connect(struct connection *connection);
/* Handles what happens until `end_ns`, or until no connection is left. */
void engine_run(uint64_t end_ns);
void engine_interest(struct connection *connection, uint32_t events);
void engine_finish(struct connection *connection);
/* Ends a connection that broke with errno `error`; 0: the peer closed too early. */
void engine_fail(struct connection *connection, int error);
struct connection *engine_connection(unsigned index);
unsigned engine_alive(void);
/* Whether results count: not during warm-up. */
int engine_measuring(void);
/* Warm-up, then the measured time. Fills results.seconds. */
void engine_measure(void);

void run_exchange(void);
void run_connect(void);
void run_bulk(void);

/* A line for the program that reads ours: {"event":NAME,...}. */
void report_event(const char *name);
void report_results(void);
uint64_t results_errors(void);

#endif
