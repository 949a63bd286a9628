// log_pacer COUNT PAUSE_US RESULT: writes COUNT numbered lines, one every PAUSE_US, and tells how long the longest write(2) took.
//
// Runs inside a container. RESULT gets "COUNT LONGEST LATE" after every 100 lines and at the end, in microseconds: LATE is how much too
// long the longest of its sleeps was, which is what a busy machine adds to anything.
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

static long late;

static void rest(long pause) {
  const struct timespec time = {0, pause * 1000};
  const long begun = microseconds();
  nanosleep(&time, NULL);  // lint: allow sleep, because this is the pace of a container's output
  const long over = microseconds() - begun - pause;
  if (over > late) late = over;
}

static void tell(const char* path, long lines, long longest) {
  char text[64];
  const int size = snprintf(text, sizeof text, "%ld %ld %ld\n", lines, longest, late);
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || pwrite(fd, text, (size_t)size, 0) != size) exit(3);
  close(fd);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const long count = strtol(argv[1], NULL, 10);
  const long pause = strtol(argv[2], NULL, 10);
  long longest = 0;
  for (long i = 0; i < count; ++i) {
    char line[64];
    const int size = snprintf(line, sizeof line, "line %ld\n", i);
    const long begun = microseconds();
    if (write(STDOUT_FILENO, line, (size_t)size) != size) return 4;
    const long took = microseconds() - begun;
    if (took > longest) longest = took;
    if (i % 100 == 99) {
      tell(argv[3], i + 1, longest);
      rest(1000);
    } else if (pause > 0) {
      rest(pause);
    }
  }
  tell(argv[3], count, longest);
  return 0;
}
