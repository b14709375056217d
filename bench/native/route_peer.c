/*
 * The Linux kernel as the peer of tests with source routes, which Node's sockets cannot have.
 *
 *   route_peer connect ADDRESS PORT BYTES HOP...   opens a connection by a loose source route over the hops, sends BYTES bytes and reads as
 *                                                  many, which must be the same
 *   route_peer listen PORT                         sends what one connection brings back to it until its end; prints "listening" first,
 *                                                  and in the end the IP options that answers have had, as hexadecimal digits
 *
 * Prints "done" if all went well. Ends with its parent.
 */
#include "common.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOPS_MAX = 9, CHUNK = 65536, PATIENCE_MS = 60000 };

static const char usage[] = "connect ADDRESS PORT BYTES HOP... | listen PORT";

static unsigned char expected(unsigned long position) { return (unsigned char)(position * 31 + (position >> 9)); }

/* RFC 791, 3.1: kind, length, pointer, then the hops; the kernel adds the destination. */
static void set_route(int fd, char **hops, int count) {
  unsigned char options[40] = {IPOPT_LSRR, (unsigned char)(3 + 4 * count), 4};
  if (count > HOPS_MAX) die(2, "more than %d hops", HOPS_MAX);
  for (int i = 0; i < count; i++) {
    struct in_addr hop = parse_address("HOP", hops[i]);
    memcpy(options + 3 + 4 * i, &hop, sizeof hop);
  }
  if (setsockopt(fd, IPPROTO_IP, IP_OPTIONS, options, (socklen_t)(3 + 4 * count)) != 0) die(1, "IP_OPTIONS: %s", strerror(errno));
}

static void wait_for(int fd, short events, short *found) {
  struct pollfd one = {fd, events, 0};
  if (poll(&one, 1, PATIENCE_MS) <= 0) die(1, "nothing happens");
  *found = one.revents;
}

/* Sends and reads at the same time, so that neither side has to hold it all. */
static void exchange(int fd, unsigned long total) {
  static unsigned char bytes[CHUNK];
  unsigned long sent = 0, read = 0;
  while (read < total) {
    short found;
    wait_for(fd, (short)(POLLIN | (sent < total ? POLLOUT : 0)), &found);
    if ((found & POLLOUT) != 0 && sent < total) {
      unsigned long count = total - sent < CHUNK ? total - sent : CHUNK;
      for (unsigned long i = 0; i < count; i++) bytes[i] = expected(sent + i);
      ssize_t done = send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (done < 0 && errno != EAGAIN) die(1, "send: %s", strerror(errno));
      if (done > 0) sent += (unsigned long)done;
    }
    if ((found & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    ssize_t done = recv(fd, bytes, CHUNK, MSG_DONTWAIT);
    if (done == 0) die(1, "the peer ended after %lu bytes", read);
    if (done < 0 && errno != EAGAIN) die(1, "recv: %s", strerror(errno));
    for (ssize_t i = 0; i < done; i++)
      if (bytes[i] != expected(read + (unsigned long)i)) die(1, "byte %lu is wrong", read + (unsigned long)i);
    if (done > 0) read += (unsigned long)done;
  }
}

static void play_client(char **args, int count) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = parse_address("ADDRESS", args[0])};
  address.sin_port = htons((uint16_t)parse_number("PORT", args[1], 1, 65535));
  unsigned long bytes = (unsigned long)parse_number("BYTES", args[2], 0, 1L << 30);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  set_route(fd, args + 3, count - 3);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die(1, "connect: %s", strerror(errno));
  exchange(fd, bytes);
  shutdown(fd, SHUT_WR);
  char last;
  if (recv(fd, &last, 1, 0) != 0) die(1, "no orderly end");
}

static void print_options(int fd) {
  unsigned char options[40];
  socklen_t len = sizeof options;
  if (getsockopt(fd, IPPROTO_IP, IP_OPTIONS, options, &len) != 0) die(1, "IP_OPTIONS: %s", strerror(errno));
  for (socklen_t i = 0; i < len; i++) printf("%02x", options[i]);
  puts("");
}

static void play_server(const char *port) {
  static char bytes[CHUNK];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)parse_number("PORT", port, 1, 65535))};
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0) die(1, "listen: %s", strerror(errno));
  puts("listening");
  fflush(stdout);
  int fd = accept(listener, NULL, NULL);
  for (ssize_t got = recv(fd, bytes, CHUNK, 0); got != 0; got = recv(fd, bytes, CHUNK, 0)) {
    if (got < 0) die(1, "recv: %s", strerror(errno));
    for (ssize_t at = 0; at < got;) {
      ssize_t done = send(fd, bytes + at, (size_t)(got - at), MSG_NOSIGNAL);
      if (done < 0) die(1, "send: %s", strerror(errno));
      at += done;
    }
  }
  print_options(fd);
}

int main(int argc, char **argv) {
  set_program("route_peer");
  die_with_parent();
  if (argc >= 6 && strcmp(argv[1], "connect") == 0) play_client(argv + 2, argc - 2);
  else if (argc == 3 && strcmp(argv[1], "listen") == 0) play_server(argv[2]);
  else die(2, "%s", usage);
  puts("done");
  return 0;
}
