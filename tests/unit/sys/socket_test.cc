// Packets arrive whole, with their descriptors, or not at all.
#include "sys/socket.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "sys/file.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;

TEST_CASE("a packet carries bytes and descriptors", "[sys]") {
  auto [a, b] = sys::seqpacket_pair().take();
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::array fds{file.get(), file.get()};
  REQUIRE(sys::send_packet(a, "hello", fds).ok());
  auto packet = sys::receive_packet(b, 100);
  REQUIRE(packet.ok());
  CHECK(packet.value().data == "hello");
  CHECK(packet.value().fds.size() == 2);
  CHECK((::fcntl(packet.value().fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
  a.reset();
  CHECK(sys::receive_packet(b, 100).value().eof);
}

TEST_CASE("an empty path is no socket's: the abstract one is anybody's", "[sys][attack]") {
  CHECK(sys::listen_unix("", SOCK_STREAM, 1).error().code == Code::invalid_argument);
  CHECK(sys::connect_unix("", SOCK_STREAM).error().code == Code::invalid_argument);
}

TEST_CASE("what a peer said is heard although it left without reading all", "[sys]") {
  auto [a, b] = sys::seqpacket_pair().take();
  REQUIRE(sys::send_packet(b, "never read").ok());
  REQUIRE(sys::send_packet(a, "last words").ok());
  a.reset();
  auto packet = sys::receive_packet(b, 100);
  REQUIRE(packet.ok());
  CHECK(packet.value().data == "last words");
  CHECK(sys::receive_packet(b, 100).value().eof);
}

TEST_CASE("packets tell who sent them, where that is wanted", "[sys]") {
  auto [a, b] = sys::seqpacket_pair().take();
  REQUIRE(sys::send_packet(a, "before").ok());
  CHECK(sys::receive_packet(b, 100).value().sender == 0);
  REQUIRE(sys::want_senders(b).ok());
  std::vector<UniqueFd> files;
  std::vector<int> fds;
  for (std::size_t i = 0; i < sys::kMaxPacketFds; ++i) fds.push_back(files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(sys::send_packet(a, "x", fds).ok() ? 0 : 1);
  REQUIRE(child > 0);
  const auto packet = sys::receive_packet(b, 100);
  REQUIRE(packet.ok());
  CHECK(packet.value().sender == child);
  CHECK(packet.value().fds.size() == sys::kMaxPacketFds);
  CHECK(::waitpid(child, nullptr, 0) == child);
}

TEST_CASE("a packet that is too long is refused", "[sys]") {
  auto [a, b] = sys::seqpacket_pair().take();
  REQUIRE(sys::send_packet(a, std::string(101, 'x')).ok());
  const auto r = sys::receive_packet(b, 100);
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code == Code::data_loss);
}

TEST_CASE("a socket file is private from the first moment, also on a long path", "[sys]") {
  test::TempDir dir;
  const std::string deep = dir.path + "/" + std::string(120, 'd');
  REQUIRE(sys::make_directories(deep, 0700).ok());
  auto listener = sys::listen_unix(deep + "/s", SOCK_SEQPACKET);
  REQUIRE(listener.ok());
  struct stat st {};
  REQUIRE(::stat((deep + "/s").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
  REQUIRE(sys::connect_unix(deep + "/s", SOCK_SEQPACKET).ok());
  CHECK_FALSE(sys::listen_unix(deep + "/s", SOCK_SEQPACKET).ok());
}
