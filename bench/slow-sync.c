/* Makes every sync of a process take longer (LD_PRELOAD), by SLOW_SYNC_US microseconds. Built by slow-sync.ts. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int (*sync_function)(int);

static void wait_longer(void) {
  const char *text = getenv("SLOW_SYNC_US");
  long delay_us = text == NULL ? 0 : atol(text);
  struct timespec delay = {delay_us / 1000000, delay_us % 1000000 * 1000};
  if (delay_us > 0) nanosleep(&delay, NULL);
}

int fdatasync(int descriptor) {
  int result = ((sync_function)dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
  wait_longer();
  return result;
}

int fsync(int descriptor) {
  int result = ((sync_function)dlsym(RTLD_NEXT, "fsync"))(descriptor);
  wait_longer();
  return result;
}
