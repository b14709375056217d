/* What all programs of the benchmark need: clock, options, limits. */
#ifndef TASJS_BENCH_COMMON_H
#define TASJS_BENCH_COMMON_H

#include <stdint.h>
#include <netinet/in.h>

/* Ports of every benchmark server, counted from its --port. */
enum { PORT_ECHO = 0, PORT_SOURCE = 1, PORT_SINK = 2, PORT_COUNT = 3 };

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* Prints "program: message" to stderr and exits: 1 environment, 2 usage. */
void die(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Name in front of messages of die. */
void set_program(const char *name);

/* A number between min and max, or die(2) naming the option. */
long parse_number(const char *option, const char *text, long min, long max);
double parse_seconds(const char *option, const char *text);
struct in_addr parse_address(const char *option, const char *text);

/* Congestion control of sockets made from now on, and its use for one of them; without a choice the kernel's default. */
void choose_congestion(const char *name);
void set_congestion(int fd);

/* Binds this process to a CPU. */
void pin_to_cpu(int cpu);

/* Ends this process with its parent, so that no load outlives a killed benchmark. */
void die_with_parent(void);

/* Lets waits end when they are due; by default the kernel may be 50 us late. */
void precise_timers(void);

/* SIGUSR1 is kept until await_signal, which waits for it, is called. */
void keep_signal(void);
void await_signal(void);

/* Raises the limit of open descriptors to at least `files`. */
void allow_files(unsigned long files);

#endif
