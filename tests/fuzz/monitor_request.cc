// What a controller may send to a monitor: packets through the real socket and Link, then the texts in them as the pod reads them.
//
// The input is packets, each after two bytes: its length and how many descriptors come with it. A monitor hears root only; it holds
// a pod's life, so nothing that it hears may end it.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/ids.h"
#include "monitor/link.h"
#include "oci/parse.h"
#include "sys/socket.h"

namespace {

using namespace slipway;
using namespace slipway::monitor;

// Reads a request's texts as Pod does, and answers.
class Reader final : public Requests {
 public:
  void on_request(ControllerId from, Request& request, std::vector<UniqueFd> fds) override {
    if (request.has_create()) (void)check_name("container id", request.create().id()).ok();
    if (request.has_exec()) {
      const auto process = oci::parse_process(request.exec().process_json());
      if (process.ok()) (void)oci::validate(process.value()).ok();
    }
    if (request.has_update()) (void)oci::parse_resources(request.update().resources_json()).ok();
    Reply reply;
    reply.set_id(request.id());
    link->reply(from, reply, std::move(fds));
    Event event;
    event.mutable_exec_exited()->set_id(request.exec().id());
    link->event(event);
  }
  Link* link = nullptr;
};

struct Monitor {
  Monitor() : loop(Loop::open().take()), link(loop, reader) {
    char name[] = "/tmp/fuzz-monitor-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    directory = name;
    reader.link = &link;
    if (!link.listen(directory + "/s").ok()) std::abort();
  }
  ~Monitor() {
    link.close();
    (void)::rmdir(directory.c_str());
  }
  void turn() {
    for (;;) {
      const auto event = loop.step(1);
      if (!event.ok()) std::abort();
      if (!event.value()) return;
    }
  }
  Loop loop;
  Reader reader;
  Link link;
  std::string directory;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Monitor monitor;
  auto socket = sys::connect_unix(monitor.directory + "/s", SOCK_SEQPACKET);
  if (!socket.ok()) std::abort();
  monitor.turn();
  for (std::size_t at = 0; at + 2 <= size;) {
    const std::size_t length = std::min<std::size_t>(data[at], size - at - 2);
    const std::vector<int> fds(data[at + 1] % 5, STDERR_FILENO);
    const std::string_view packet(reinterpret_cast<const char*>(data) + at + 2, length);
    if (!sys::send_packet(socket.value(), packet, fds, false).ok()) break;  // the monitor closed: it has heard enough
    at += 2 + length;
    monitor.turn();
    while (sys::receive_packet(socket.value(), kMaxPacket, false).ok()) {
      char probe = 0;
      if (::recv(socket.value().get(), &probe, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) break;
    }
  }
  socket.value().reset();
  monitor.turn();
  return 0;
}
