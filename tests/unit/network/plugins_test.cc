// The real plugins of Debian's containernetworking-plugins between two network namespaces of this test's own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>

#include "sys/process.h"
#include "tests/unit/network/support.h"

using namespace slipway;
using namespace slipway::network;

namespace {

void loopback_up() {
  UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  REQUIRE(::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
}

// A pod's namespace, pinned at `path` as the monitor pins it; the caller is back in `host` afterwards.
void make_pod_namespace(const std::string& path, FdRef host) {
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  loopback_up();
  UniqueFd file(::open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600));
  REQUIRE(::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) == 0);
  REQUIRE(::setns(host.get(), CLONE_NEWNET) == 0);
}

// The process moves into a "host" namespace of its own. All of it ends with the process.
UniqueFd make_host_namespace() {
  REQUIRE(::unshare(CLONE_NEWNS | CLONE_NEWNET) == 0);
  REQUIRE(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  loopback_up();
  return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

bool has_link(const std::string& name) {
  return ::if_nametoindex(name.c_str()) != 0;
}

std::string output_of(const std::vector<std::string>& argv) {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  UniqueFd read(fds[0]), write(fds[1]);
  sys::SpawnRequest request;
  request.program = argv[0];
  request.argv = argv;
  request.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  request.stdio[1] = write.get();
  auto child = sys::spawn(request);
  REQUIRE(child.ok());
  write.reset();
  auto text = sys::read_fd(read, 1 << 20);
  REQUIRE(text.ok());
  REQUIRE(child.value().wait().ok());
  return text.value();
}

std::size_t count_links() {
  const std::string text = output_of({"/usr/sbin/ip", "-o", "link"});
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::size_t leases(const test::Host& host) {
  std::size_t n = 0;
  auto dir = sys::open_path(host.root + "/ipam/slipway-test", O_RDONLY | O_DIRECTORY);
  if (!dir.ok()) return 0;
  const auto names = sys::list_directory(dir.value());
  REQUIRE(names.ok());
  for (const std::string& name : names.value())
    if (name.starts_with("10.")) ++n;
  return n;
}

std::string conflist(const test::Host& host) {
  return R"({"cniVersion":"1.0.0","name":"slipway-test","plugins":[
    {"type":"bridge","bridge":"slip0","isGateway":true,"ipMasq":true,
     "ipam":{"type":"host-local","dataDir":")" +
         host.root + R"(/ipam","ranges":[[{"subnet":"10.213.0.0/29"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
    {"type":"portmap","snat":true,"capabilities":{"portMappings":true}}]})";
}

// A connection from the host's namespace to the pod's address fails with "refused" only if the pod's stack answered.
int connect_errno(const std::string& ip, std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  REQUIRE(::inet_pton(AF_INET, ip.c_str(), &to.sin_addr) == 1);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
}

}  // namespace

TEST_CASE("bridge, host-local and portmap give a pod its address and take it back", "[network][root]") {
  if (::geteuid() != 0) FAIL("this test needs root");
  test::Host host;
  const UniqueFd host_namespace = make_host_namespace();
  make_pod_namespace(host.root + "/pod-netns", host_namespace);
  make_pod_namespace(host.root + "/other-netns", host_namespace);
  CniOptions options;
  options.conf_dir = host.root + "/conf";
  options.bin_dirs = {"/usr/lib/cni"};
  options.intent_dir = host.root + "/intents";
  host.config("10-test.conflist", conflist(host));
  auto opened = open_cni(options);
  REQUIRE(opened.ok());
  auto& network = *opened.value();
  REQUIRE(network.ready().message == "");
  auto pod = test::request();
  pod.netns = host.root + "/pod-netns";
  pod.port_mappings = {{"tcp", 80, 18080, ""}};

  const auto added = network.attach(pod);
  if (!added.ok()) FAIL(added.error().message);
  REQUIRE(added.value().ips == std::vector<std::string>{"10.213.0.2"});
  CHECK(has_link("slip0"));
  CHECK(leases(host) == 1);
  CHECK(connect_errno("10.213.0.2", 80) == ECONNREFUSED);
  CHECK_THAT(output_of({"/usr/sbin/iptables", "-t", "nat", "-S"}), Catch::Contains("10.213.0.2:80"));

  // A second pod, whose chain fails half-way, leaves neither lease nor link behind.
  std::string broken = conflist(host);
  host.config("10-test.conflist", broken.insert(broken.find(R"({"type":"portmap")"), R"({"type":"failing"},)"));
  host.plugin("failing", "[ $CNI_COMMAND = DEL ] && exit 0\necho '{\"code\":100,\"msg\":\"no\"}'; exit 1");
  options.bin_dirs.push_back(host.root + "/bin");
  auto second = open_cni(options);
  REQUIRE(second.ok());
  auto other = pod;
  other.pod_id = std::string(64, 'b');
  other.netns = host.root + "/other-netns";
  const std::size_t links_before = count_links();
  const auto refused = second.value()->attach(other);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message == "CNI plugin 'failing' ADD: code 100: no");
  CHECK_THAT(host.calls(), Catch::Contains("ADD failing"));
  CHECK(leases(host) == 1);
  CHECK(count_links() == links_before);
  host.config("10-test.conflist", conflist(host));

  REQUIRE(network.detach(pod, added.value().cached).ok());
  CHECK(leases(host) == 0);
  CHECK_THAT(output_of({"/usr/sbin/iptables", "-t", "nat", "-S"}), !Catch::Contains("10.213.0.2"));
  CHECK(network.detach(pod, added.value().cached).ok());
  // And when the namespace has gone first.
  const auto again = network.attach(pod);
  if (!again.ok()) FAIL(again.error().message);
  REQUIRE(::umount2(pod.netns.c_str(), MNT_DETACH) == 0);
  CHECK(network.detach(pod, "").ok());
  CHECK(leases(host) == 0);
}
