// Attacks on what slipway itself leaves open on the host: sockets, memory.
#include <sys/socket.h>

#include <thread>

#include "sys/file.h"
#include "sys/socket.h"
#include "tests/attack/units/polarity.h"
#include "tests/unit/engine/world.h"

using namespace slipway;
using slipway::test::check_attack;

TEST_CASE("our sockets are files, not names that a pod on the host's network reaches", "[a25]") {
  check_attack("path_sockets", [] {
    const slipway::test::TempDir dir;
    const std::string path = dir.path + "/monitor.sock";
    const auto socket = sys::listen_unix(path, SOCK_SEQPACKET);
    REQUIRE(socket.ok());
    const std::string table = sys::read_file("/proc/net/unix", 16 << 20).take();
    return table.find("@" + path.substr(1)) != std::string::npos;  // the first character became the abstract name's mark
  });
}

TEST_CASE("an endless output of ExecSync does not fill slipwayd's memory", "[a31]") {
  using namespace slipway::engine;
  check_attack("exec_output", [] {
    slipway::engine::test::World w;
    const std::string pod = w.pod();
    const std::string id = w.running(pod);
    std::thread writer;
    w.host.monitor(pod)->on_exec = [&](slipway::engine::test::FakeMonitor& monitor, const slipway::monitor::Exec& exec,
                                       const std::vector<int>& fds) {
      writer = std::thread([&monitor, session = exec.id(), fds] {
        const std::string block(1 << 20, 'y');
        for (int i = 0; i < 20; ++i) (void)sys::write_all(FdRef(fds[1]), block).ok();
        for (const int fd : fds) ::close(fd);
        monitor.exec_exit(session, 0);
      });
    };
    const auto output = w.engine->exec_sync(id, {"yes"}, std::chrono::seconds(60));
    writer.join();
    REQUIRE(output.ok());
    return output.value().out.size() > (16U << 20);
  });
}
