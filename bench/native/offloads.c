/* Prints which offloads of an interface are on, as one line of JSON. For machines without ethtool. */
#include "common.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static const struct { const char *name; unsigned command; } OFFLOADS[] = {
  { "rxChecksum", ETHTOOL_GRXCSUM }, { "txChecksum", ETHTOOL_GTXCSUM }, { "scatterGather", ETHTOOL_GSG },
  { "tso", ETHTOOL_GTSO }, { "gso", ETHTOOL_GGSO }, { "gro", ETHTOOL_GGRO },
};

int main(int argc, char **argv) {
  set_program("offloads");
  if (argc != 2 || strlen(argv[1]) >= IFNAMSIZ) die(2, "usage: offloads INTERFACE");
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) die(1, "socket: %s", strerror(errno));
  putchar('{');
  for (unsigned i = 0; i < sizeof OFFLOADS / sizeof *OFFLOADS; i++) {
    struct ethtool_value value = { .cmd = OFFLOADS[i].command };
    struct ifreq request = { 0 };
    strcpy(request.ifr_name, argv[1]);
    request.ifr_data = (void *)&value;
    if (ioctl(fd, SIOCETHTOOL, &request) != 0) die(1, "%s: %s: %s", argv[1], OFFLOADS[i].name, strerror(errno));
    printf("%s\"%s\":%s", i == 0 ? "" : ",", OFFLOADS[i].name, value.data ? "true" : "false");
  }
  puts("}");
  return 0;
}
