// Runs commands in turn, round after round, and says for each run how long it took, its peak memory and how it ended.
//
// race ROUNDS NAME COMMAND [ARG…] [-- NAME COMMAND [ARG…]]…   prints "NAME ROUND NANOSECONDS MAXRSS_KB EXIT" a run.
// Interleaved, so that whatever disturbs the machine disturbs all of them; the order turns with every round.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Racer {
  std::string name;
  std::vector<char*> argv;
};

long long now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

std::vector<Racer> parse(int argc, char** argv) {
  std::vector<Racer> out;
  bool fresh = true;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") {
      fresh = true;
    } else if (fresh) {
      out.push_back({word, {}});
      fresh = false;
    } else {
      out.back().argv.push_back(argv[i]);
    }
  }
  for (Racer& racer : out) racer.argv.push_back(nullptr);
  return out;
}

// stdout goes away, stderr stays: a failure must be read.
bool run_once(const Racer& racer, int round) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const long long begin = now();
  const int error = ::posix_spawnp(&pid, racer.argv[0], &actions, nullptr, racer.argv.data(), environ);
  int status = 0;
  rusage usage{};
  if (error == 0) ::wait4(pid, &status, 0, &usage);
  const long long end = now();
  posix_spawn_file_actions_destroy(&actions);
  const int code = error != 0 ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::printf("%s %d %lld %ld %d\n", racer.name.c_str(), round, end - begin, usage.ru_maxrss, code);
  std::fflush(stdout);
  return code == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: race ROUNDS NAME COMMAND [ARG...] [-- NAME COMMAND [ARG...]]...\n");
    return 2;
  }
  const int rounds = std::atoi(argv[1]);
  const std::vector<Racer> racers = parse(argc, argv);
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < racers.size(); ++i)
      if (!run_once(racers[(i + static_cast<std::size_t>(round)) % racers.size()], round)) return 1;
  return 0;
}
