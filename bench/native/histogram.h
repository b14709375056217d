/* Latency histogram with logarithmic buckets: 64 for each power of two, so every value is kept to 1.6 %. */
#ifndef TASJS_BENCH_HISTOGRAM_H
#define TASJS_BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { HISTOGRAM_SUB_BITS = 6, HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

struct histogram {
  uint64_t count;
  uint64_t sum_ns;
  uint64_t max_ns;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value_ns);
/* The value that `fraction` (0 to 1) of all values do not exceed, in microseconds; 0 if there are none. */
double histogram_percentile_us(const struct histogram *histogram, double fraction);
/* Prints every bucket that is not empty, [microseconds,count], separated by commas. */
void histogram_print(const struct histogram *histogram, FILE *to);

#endif
