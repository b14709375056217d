#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

static const char *program = "bench";

void set_program(const char *name) { program = name; }

uint64_t now_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

void die(int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s: ", program);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(status);
}

long parse_number(const char *option, const char *text, long min, long max) {
  char *end = NULL;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
    die(2, "--%s: \"%s\": must be a number from %ld to %ld", option, text, min, max);
  }
  return value;
}

double parse_seconds(const char *option, const char *text) {
  char *end = NULL;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > 86400) {
    die(2, "--%s: \"%s\": must be seconds from 0 to 86400", option, text);
  }
  return value;
}

struct in_addr parse_address(const char *option, const char *text) {
  struct in_addr address;
  if (inet_pton(AF_INET, text, &address) != 1) die(2, "--%s: \"%s\": must be an IPv4 address", option, text);
  return address;
}

static const char *congestion;

void choose_congestion(const char *name) { congestion = name; }

void set_congestion(int fd) {
  if (congestion == NULL) return;
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion)) != 0) {
    die(1, "--congestion: %s: %s", congestion, strerror(errno));
  }
}

void pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) die(1, "--cpu: CPU %d: %s", cpu, strerror(errno));
}

void die_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGTERM); }

void precise_timers(void) { prctl(PR_SET_TIMERSLACK, 1UL); }

static sigset_t kept_signals(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  return signals;
}

void keep_signal(void) {
  sigset_t signals = kept_signals();
  sigprocmask(SIG_BLOCK, &signals, NULL);
}

void await_signal(void) {
  sigset_t signals = kept_signals();
  int signal;
  sigwait(&signals, &signal);
}

void allow_files(unsigned long files) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= files) return;
  /* Only root may raise the hard limit. Without, take what there is if that is enough. */
  struct rlimit wanted = { files, limit.rlim_max > files ? limit.rlim_max : files };
  if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  die(1, "%lu open files needed, %lu allowed: raise the limit with ulimit -n", files, (unsigned long)limit.rlim_max);
}
