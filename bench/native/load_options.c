#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const MODE_NAMES[MODE_COUNT] = { "echo", "verify", "idle", "connect", "bulk-in", "bulk-out" };

static const char HELP[] =
  "usage: loadgen --address A [options]\n"
  "  --address A        server's IPv4 address\n"
  "  --port P           server's first port (7000): P echo, P+1 source, P+2 sink\n"
  "  --mode M           echo      closed loop, --depth requests of --size bytes on each connection\n"
  "                     verify    all open, then --rounds random messages on each, every byte compared, then close\n"
  "                     idle      all open, nothing sent\n"
  "                     connect   open, one request, close, again\n"
  "                     bulk-in   receive from the source     bulk-out   send to the sink\n"
  "  --connections N    (1)\n"
  "  --size B           bytes of a request, most bytes of a message (verify), of a call (bulk) (64)\n"
  "  --depth D          requests under way on a connection (1)\n"
  "  --active N         how many of the connections exchange (echo); 0: all (0)\n"
  "  --interval S       seconds from one request of a connection to its next (echo); 0: as soon as it is answered (0)\n"
  "  --rounds R         messages of each connection (verify) (1)\n"
  "  --opening N        most handshakes under way at a time (128)\n"
  "  --seconds S        measured time (2)\n"
  "  --warmup S         time before it (0)\n"
  "  --patience S       most time to open all connections, and to finish (verify) (30)\n"
  "  --seed N           of random data (1)\n"
  "  --source A         address of the own end; the kernel chooses without\n"
  "  --hold 0|1         wait for SIGUSR1 when all connections are open (0)\n"
  "  --keep 0|1         keep connections open behind the results, until SIGTERM (0)\n"
  "  --histogram 0|1    report all latencies, as pairs of microseconds and how many (0)\n"
  "  --cpu N            run on this CPU only\n"
  "  --congestion NAME  congestion control of the connections\n"
  "Prints {\"event\":\"open\"} when all connections are open, {\"event\":\"measure\"} when measuring begins,\n"
  "then the results, each as one line of JSON. Exit code 0 only if there was no error.\n";

enum option_id { O_ADDRESS = 1, O_PORT, O_MODE, O_CONNECTIONS, O_SIZE, O_DEPTH, O_ROUNDS, O_OPENING, O_SECONDS,
  O_WARMUP, O_PATIENCE, O_SEED, O_CPU, O_CONGESTION, O_ACTIVE, O_INTERVAL, O_SOURCE, O_HOLD, O_KEEP, O_HISTOGRAM, O_HELP };

static const struct option OPTIONS[] = {
  { "address", required_argument, NULL, O_ADDRESS }, { "port", required_argument, NULL, O_PORT },
  { "mode", required_argument, NULL, O_MODE }, { "connections", required_argument, NULL, O_CONNECTIONS },
  { "size", required_argument, NULL, O_SIZE }, { "depth", required_argument, NULL, O_DEPTH },
  { "rounds", required_argument, NULL, O_ROUNDS }, { "opening", required_argument, NULL, O_OPENING },
  { "seconds", required_argument, NULL, O_SECONDS }, { "warmup", required_argument, NULL, O_WARMUP },
  { "patience", required_argument, NULL, O_PATIENCE }, { "seed", required_argument, NULL, O_SEED },
  { "cpu", required_argument, NULL, O_CPU }, { "congestion", required_argument, NULL, O_CONGESTION },
  { "active", required_argument, NULL, O_ACTIVE }, { "interval", required_argument, NULL, O_INTERVAL },
  { "source", required_argument, NULL, O_SOURCE }, { "hold", required_argument, NULL, O_HOLD },
  { "keep", required_argument, NULL, O_KEEP }, { "histogram", required_argument, NULL, O_HISTOGRAM }, { "help", no_argument, NULL, O_HELP }, { 0 },
};

static enum mode parse_mode(const char *text) {
  for (int mode = 0; mode < MODE_COUNT; mode++) {
    if (strcmp(text, MODE_NAMES[mode]) == 0) return (enum mode)mode;
  }
  die(2, "--mode: \"%s\": must be echo, verify, idle, connect, bulk-in or bulk-out", text);
}

static void parse_one(int id, const char *value) {
  switch (id) {
    case O_ADDRESS: options.address = parse_address("address", value); break;
    case O_PORT: options.port = (int)parse_number("port", value, 1, 65535 - PORT_COUNT); break;
    case O_MODE: options.mode = parse_mode(value); break;
    case O_CONNECTIONS: options.connections = (unsigned)parse_number("connections", value, 1, 60000); break;
    case O_SIZE: options.size = (size_t)parse_number("size", value, 1, 1 << 24); break;
    case O_DEPTH: options.depth = (unsigned)parse_number("depth", value, 1, 4096); break;
    case O_ROUNDS: options.rounds = (unsigned)parse_number("rounds", value, 1, 1000000); break;
    case O_OPENING: options.opening = (unsigned)parse_number("opening", value, 1, 60000); break;
    case O_SECONDS: options.seconds = parse_seconds("seconds", value); break;
    case O_WARMUP: options.warmup = parse_seconds("warmup", value); break;
    case O_PATIENCE: options.patience = parse_seconds("patience", value); break;
    case O_SEED: options.seed = (uint64_t)parse_number("seed", value, 0, 2147483647); break;
    case O_CPU: pin_to_cpu((int)parse_number("cpu", value, 0, 1023)); break;
    case O_CONGESTION: choose_congestion(value); break;
    case O_ACTIVE: options.active = (unsigned)parse_number("active", value, 0, 60000); break;
    case O_INTERVAL: options.interval_ns = (uint64_t)(parse_seconds("interval", value) * 1e9); break;
    case O_SOURCE: options.source = parse_address("source", value); break;
    case O_HOLD: options.hold = (int)parse_number("hold", value, 0, 1); break;
    case O_KEEP: options.keep = (int)parse_number("keep", value, 0, 1); break;
    case O_HISTOGRAM: options.histogram = (int)parse_number("histogram", value, 0, 1); break;
    case O_HELP: fputs(HELP, stdout); exit(0);
    default: die(2, "see loadgen --help");
  }
}

void options_parse(int argc, char **argv) {
  options = (struct options){ .port = 7000, .connections = 1, .size = 64, .depth = 1, .rounds = 1, .opening = 128,
    .seconds = 2, .patience = 30, .seed = 1 };
  for (int id; (id = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) parse_one(id, optarg);
  if (optind < argc) die(2, "unexpected \"%s\": see loadgen --help", argv[optind]);
  if (options.active > options.connections) die(2, "--active: %u: there are %u connections", options.active, options.connections);
  if (options.interval_ns > 0 && (options.mode != MODE_ECHO || options.depth != 1)) die(2, "--interval: wants --mode echo and --depth 1");
  if (options.address.s_addr == 0) die(2, "--address: missing: the server's IPv4 address");
}
