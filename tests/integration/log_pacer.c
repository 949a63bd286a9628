// log_pacer COUNT PAUSE_US RESULT: writes COUNT numbered lines, one every PAUSE_US, and tells how long the longest write(2) took.
//
// Runs inside a container. RESULT gets "COUNT MICROSECONDS" of the longest so far after every 100 lines and at the end.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static void tell(const char* path, long lines, long longest) {
  char text[64];
  const int size = snprintf(text, sizeof text, "%ld %ld\n", lines, longest);
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || pwrite(fd, text, (size_t)size, 0) != size) exit(3);
  close(fd);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const long count = strtol(argv[1], NULL, 10);
  const struct timespec pause = {0, strtol(argv[2], NULL, 10) * 1000};
  long longest = 0;
  for (long i = 0; i < count; ++i) {
    char line[64];
    const int size = snprintf(line, sizeof line, "line %ld\n", i);
    const long begun = microseconds();
    if (write(STDOUT_FILENO, line, (size_t)size) != size) return 4;
    const long took = microseconds() - begun;
    if (took > longest) longest = took;
    if (i % 100 == 99) tell(argv[3], i + 1, longest);
    if (pause.tv_nsec > 0) nanosleep(&pause, NULL);  // lint: allow sleep, because this is the pace of a container's output
  }
  tell(argv[3], count, longest);
  return 0;
}
