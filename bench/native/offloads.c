/* Prints which offloads of an interface are on, as one line of JSON, after switching them if asked to. For machines without ethtool. */
#include "common.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* In the order in which they can be switched on: segmentation offload needs checksums and scatter-gather. */
static const struct { const char *name; unsigned get, set; } OFFLOADS[] = {
  { "rxChecksum", ETHTOOL_GRXCSUM, ETHTOOL_SRXCSUM }, { "txChecksum", ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM },
  { "scatterGather", ETHTOOL_GSG, ETHTOOL_SSG }, { "tso", ETHTOOL_GTSO, ETHTOOL_STSO }, { "gso", ETHTOOL_GGSO, ETHTOOL_SGSO },
  { "gro", ETHTOOL_GGRO, ETHTOOL_SGRO },
};

static unsigned ethtool(int fd, const char *interface, unsigned i, struct ethtool_value value) {
  struct ifreq request = { 0 };
  strcpy(request.ifr_name, interface);
  request.ifr_data = (void *)&value;
  if (ioctl(fd, SIOCETHTOOL, &request) != 0) die(1, "%s: %s: %s", interface, OFFLOADS[i].name, strerror(errno));
  return value.data;
}

int main(int argc, char **argv) {
  set_program("offloads");
  int to = argc != 3 ? -1 : strcmp(argv[2], "on") == 0 ? 1 : strcmp(argv[2], "off") == 0 ? 0 : -1;
  if (argc < 2 || (argc > 2 && to < 0) || strlen(argv[1]) >= IFNAMSIZ) die(2, "usage: offloads INTERFACE [on|off]");
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) die(1, "socket: %s", strerror(errno));
  putchar('{');
  for (unsigned i = 0; i < sizeof OFFLOADS / sizeof *OFFLOADS; i++) {
    if (to >= 0) ethtool(fd, argv[1], i, (struct ethtool_value){ .cmd = OFFLOADS[i].set, .data = (unsigned)to });
    unsigned on = ethtool(fd, argv[1], i, (struct ethtool_value){ .cmd = OFFLOADS[i].get });
    printf("%s\"%s\":%s", i == 0 ? "" : ",", OFFLOADS[i].name, on ? "true" : "false");
  }
  puts("}");
  return 0;
}
