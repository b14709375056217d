#include "histogram.h"

#include <string.h>

enum { SUB = 1 << HISTOGRAM_SUB_BITS };

void histogram_clear(struct histogram *histogram) { memset(histogram, 0, sizeof *histogram); }

/* Values below SUB have a bucket each; above, the leading bit chooses the row and the next bits the bucket. */
static unsigned bucket_of(uint64_t value) {
  if (value < SUB) return (unsigned)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
  return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)((value >> shift) - SUB);
}

static double middle_of(unsigned bucket) {
  if (bucket < SUB) return bucket;
  unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
  uint64_t low = (uint64_t)((bucket & (SUB - 1)) + SUB) << shift;
  return (double)low + (double)(1ull << shift) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns) {
  histogram->count++;
  histogram->sum_ns += value_ns;
  if (value_ns > histogram->max_ns) histogram->max_ns = value_ns;
  histogram->buckets[bucket_of(value_ns)]++;
}

double histogram_percentile_us(const struct histogram *histogram, double fraction) {
  uint64_t wanted = (uint64_t)((double)histogram->count * fraction);
  uint64_t seen = 0;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen > wanted || (seen == histogram->count && seen > 0)) return middle_of(i) / 1000;
  }
  return 0;
}

void histogram_print(const struct histogram *histogram, FILE *to) {
  const char *separator = "";
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    if (histogram->buckets[i] == 0) continue;
    fprintf(to, "%s[%.3f,%llu]", separator, middle_of(i) / 1000, (unsigned long long)histogram->buckets[i]);
    separator = ",";
  }
}
