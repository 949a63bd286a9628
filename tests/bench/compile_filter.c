/* Turns the bench's seccomp rules into a BPF program by libseccomp, so that floor.c only loads one: compile_filter RULES OUT */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum scmp_compare comparison(const char* name) {
  if (strcmp(name, "EQ") == 0) return SCMP_CMP_EQ;
  if (strcmp(name, "GT") == 0) return SCMP_CMP_GT;
  if (strcmp(name, "LT") == 0) return SCMP_CMP_LT;
  if (strcmp(name, "MASKED_EQ") == 0) return SCMP_CMP_MASKED_EQ;
  fprintf(stderr, "compile_filter: unknown comparison %s\n", name);
  exit(1);
}

/* NAME ERRNO [INDEX OP VALUE]; ERRNO 0 allows. A name that this libseccomp does not know is not in the filter. */
static int add_rule(scmp_filter_ctx filter, const char* line) {
  char name[64], op[16];
  int error;
  unsigned index;
  unsigned long long value;
  const int fields = sscanf(line, "%63s %d %u %15s %llu", name, &error, &index, op, &value);
  if (fields < 2) return -EINVAL;
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return 0;
  const uint32_t action = error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((unsigned)error);
  if (fields < 5) return seccomp_rule_add(filter, action, number, 0);
  const enum scmp_compare how = comparison(op);
  const struct scmp_arg_cmp condition =
      how == SCMP_CMP_MASKED_EQ ? SCMP_CMP(index, SCMP_CMP_MASKED_EQ, value, 0) : SCMP_CMP(index, how, value);
  return seccomp_rule_add(filter, action, number, 1, condition);
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: compile_filter RULES OUT\n"), 2;
  FILE* rules = fopen(argv[1], "re");
  const int out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (rules == NULL || out < 0) return perror("compile_filter"), 1;
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  seccomp_arch_add(filter, SCMP_ARCH_X86);
  seccomp_arch_add(filter, SCMP_ARCH_X32);
  seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: the quickest to load and to run that libseccomp has */
  char line[256];
  while (fgets(line, sizeof line, rules) != NULL) {
    const int error = add_rule(filter, line);
    if (error != 0) return fprintf(stderr, "compile_filter: %s: %s\n", line, strerror(-error)), 1;
  }
  const int error = seccomp_export_bpf(filter, out);
  if (error != 0) return fprintf(stderr, "compile_filter: export: %s\n", strerror(-error)), 1;
  return 0;
}
