/* Says as whom it runs: installed setuid root, its answer shows whether no_new_privs holds. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
  printf("Effective uid: %d\n", (int)geteuid());
  return fflush(stdout) != 0;
}
