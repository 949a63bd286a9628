// slipway-monitor: one per pod, started by slipwayd (proto/slipway/monitor.proto); not for people.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "monitor/start.h"

int main(int argc, char**) {
  using namespace slipway;
  if (argc != 1 || ::fcntl(monitor::kConfigFd, F_GETFD) < 0 || ::fcntl(monitor::kReportFd, F_GETFD) < 0) {
    (void)std::fputs("slipway-monitor is started by slipwayd, with a pod's configuration on descriptor 3 and a pipe on descriptor 4\n",
                     stderr);
    return 2;
  }
  // The handle that slipwayd ran this program through is among the rest.
  (void)::close_range(monitor::kReportFd + 1, ~0U, 0);
  for (const int fd : {monitor::kConfigFd, monitor::kReportFd}) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return monitor::run_monitor(UniqueFd(monitor::kConfigFd), UniqueFd(monitor::kReportFd));
}
