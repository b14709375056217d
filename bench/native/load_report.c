#include "load.h"

#include <stdio.h>
#include <string.h>

uint64_t results_errors(void) {
  return results.connect_failed + results.connect_timeout + results.reset + results.early_end + results.mismatch +
    results.unfinished;
}

void report_event(const char *name) {
  printf("{\"event\":\"%s\",\"opened\":%llu}\n", name, (unsigned long long)results.opened);
  fflush(stdout);
}

static void count(const char *name, uint64_t value) { printf(",\"%s\":%llu", name, (unsigned long long)value); }

static void report_latency(void) {
  const struct histogram *latency = &results.latency;
  printf(",\"latencyUs\":{\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f,\"mean\":%.2f}",
    histogram_percentile_us(latency, 0.5), histogram_percentile_us(latency, 0.9),
    histogram_percentile_us(latency, 0.99), histogram_percentile_us(latency, 0.999), (double)latency->max_ns / 1000,
    latency->count == 0 ? 0 : (double)latency->sum_ns / (double)latency->count / 1000);
}

/* All latencies, where they are asked for. */
static void report_histogram(void) {
  printf(",\"histogram\":[");
  if (options.histogram) histogram_print(&results.latency, stdout);
  printf("]");
}

static void report_errors(void) {
  printf(",\"errors\":{\"total\":%llu", (unsigned long long)results_errors());
  count("connectFailed", results.connect_failed);
  count("connectTimeout", results.connect_timeout);
  count("reset", results.reset);
  count("earlyEnd", results.early_end);
  count("mismatch", results.mismatch);
  count("unfinished", results.unfinished);
  printf(",\"first\":\"%s\"}", results.first_errno == 0 ? "" : strerror(results.first_errno));
}

/* Bytes of each connection, where the mode counts them. */
static void report_connections(void) {
  printf(",\"connectionBytes\":[");
  for (unsigned i = 0; results.connection_bytes != NULL && i < options.connections; i++) {
    printf("%s%llu", i == 0 ? "" : ",", (unsigned long long)results.connection_bytes[i]);
  }
  printf("]");
}

void report_results(void) {
  double seconds = results.seconds > 0 ? results.seconds : 1;
  printf("{\"event\":\"result\",\"mode\":\"%s\",\"connections\":%u,\"size\":%zu,\"depth\":%u", MODE_NAMES[options.mode],
    options.connections, options.size, options.depth);
  count("opened", results.opened);
  count("requests", results.requests);
  count("bytes", results.bytes);
  printf(",\"seconds\":%.4f,\"requestsPerSecond\":%.1f,\"gbitPerSecond\":%.4f", results.seconds,
    (double)results.requests / seconds, (double)results.bytes * 8 / seconds / 1e9);
  printf(",\"cpuSeconds\":%.4f", results.cpu_seconds);
  report_latency();
  report_histogram();
  report_connections();
  report_errors();
  puts("}");
  fflush(stdout);
}
