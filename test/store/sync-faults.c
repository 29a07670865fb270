/*
 * Stands between a process and the disk (LD_PRELOAD): delays and fails syncs of a store's files, and writes down when
 * each one started and ended. Built by sync-faults.ts.
 *
 * SYNC_FAULTS_CONTROL names a file with four numbers: a generation, a delay in microseconds, how many syncs of that
 * generation succeed first, and how many then fail with EIO (-1: all). SYNC_FAULTS_LOG names the file that gets one line per sync:
 * start and end in nanoseconds of CLOCK_MONOTONIC, the result, and the path.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int (*sync_function)(int);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long current_generation = -1;
static long long syncs_in_generation = 0;

static long long now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (long long)time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* What the control file orders for this sync: returns 1 when it has to fail. */
static int read_orders(long long *delay_us) {
  long long generation = 0, successes = 0, failures = 0;
  int must_fail = 0;
  const char *path = getenv("SYNC_FAULTS_CONTROL");
  FILE *control = path == NULL ? NULL : fopen(path, "r");
  *delay_us = 0;
  if (control == NULL) return 0;
  if (fscanf(control, "%lld %lld %lld %lld", &generation, delay_us, &successes, &failures) == 4) {
    pthread_mutex_lock(&lock);
    if (generation != current_generation) {
      current_generation = generation;
      syncs_in_generation = 0;
    }
    must_fail = syncs_in_generation >= successes && (failures < 0 || syncs_in_generation < successes + failures);
    syncs_in_generation++;
    pthread_mutex_unlock(&lock);
  }
  fclose(control);
  return must_fail;
}

static void write_line(long long start, long long end, int result, const char *path) {
  const char *log = getenv("SYNC_FAULTS_LOG");
  char line[4300];
  int length, descriptor;
  if (log == NULL) return;
  descriptor = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (descriptor < 0) return;
  length = snprintf(line, sizeof line, "%lld %lld %d %s\n", start, end, result, path);
  if (write(descriptor, line, length) != length) abort();
  close(descriptor);
}

static int faulty_sync(const char *name, int descriptor) {
  char link[64], path[4096];
  long long delay_us, start;
  int result, must_fail, error;
  ssize_t length;
  sync_function real = (sync_function)dlsym(RTLD_NEXT, name);

  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  if (strstr(path, "/posthorn.db") == NULL) return real(descriptor);

  start = now_ns();
  must_fail = read_orders(&delay_us);
  if (delay_us > 0) {
    struct timespec delay = {delay_us / 1000000, (delay_us % 1000000) * 1000};
    nanosleep(&delay, NULL);
  }
  result = must_fail ? -1 : real(descriptor);
  error = must_fail ? EIO : errno;
  write_line(start, now_ns(), result, path);
  errno = error;
  return result;
}

int fsync(int descriptor) { return faulty_sync("fsync", descriptor); }
int fdatasync(int descriptor) { return faulty_sync("fdatasync", descriptor); }
