/* Load client of the benchmark and of the demonstration; see load.h, and --help. */
#include "load.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct options options;
struct results results;
char *io_buffer;
size_t call_bytes;

enum {
  SPARE_FILES = 64,
  /* Most of one call, unless a single message is longer. */
  CALL_BYTES_MAX = 1 << 20,
};

/* Clients that pipeline read all answers that are there, and send as many requests in one call. */
static size_t bytes_of_call(void) {
  size_t most = options.size > CALL_BYTES_MAX ? options.size : CALL_BYTES_MAX;
  size_t wanted = options.mode == MODE_ECHO ? options.size * options.depth : options.size;
  return wanted < most ? wanted : most;
}

int main(int argc, char **argv) {
  set_program("loadgen");
  options_parse(argc, argv);
  die_with_parent();
  precise_timers();
  keep_signal();
  signal(SIGPIPE, SIG_IGN);
  allow_files(options.connections + SPARE_FILES);
  call_bytes = bytes_of_call();
  io_buffer = calloc(1, call_bytes);
  if (io_buffer == NULL) die(1, "out of memory");
  switch (options.mode) {
    case MODE_CONNECT: run_connect(); break;
    case MODE_BULK_IN:
    case MODE_BULK_OUT: run_bulk(); break;
    default: run_exchange(); break;
  }
  report_results();
  if (options.keep) pause();
  return results_errors() == 0 ? 0 : 1;
}
