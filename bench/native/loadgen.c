/* Load client of the benchmark and of the demonstration; see load.h, and --help. */
#include "load.h"

#include <signal.h>
#include <stdlib.h>

struct options options;
struct results results;
char *io_buffer;

enum { SPARE_FILES = 64 };

int main(int argc, char **argv) {
  set_program("loadgen");
  options_parse(argc, argv);
  die_with_parent();
  precise_timers();
  keep_signal();
  signal(SIGPIPE, SIG_IGN);
  allow_files(options.connections + SPARE_FILES);
  io_buffer = calloc(1, options.size);
  if (io_buffer == NULL) die(1, "out of memory");
  switch (options.mode) {
    case MODE_CONNECT: run_connect(); break;
    case MODE_BULK_IN:
    case MODE_BULK_OUT: run_bulk(); break;
    default: run_exchange(); break;
  }
  report_results();
  return results_errors() == 0 ? 0 : 1;
}
