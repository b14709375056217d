/* Uses one CPU without end: the neighbour of the row "beside a CPU-bound process". Ends with its parent. */
#include "common.h"

#include <stdio.h>

int main(void) {
  set_program("cpu_hog");
  die_with_parent();
  puts("ready");
  fflush(stdout);
  for (volatile unsigned long turn = 0;; turn++) {
  }
}
