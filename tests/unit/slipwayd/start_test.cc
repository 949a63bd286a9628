// What comes before serving: the socket's place, readiness, sibling programs.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/unique_fd.h"
#include "slipwayd/listen.h"
#include "slipwayd/notify.h"
#include "slipwayd/programs.h"

using namespace slipway;
using namespace slipway::daemon;
using Catch::Contains;

namespace {

struct TempDir {
  TempDir() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path = "/tmp/slipwayd-XXXXXX";
};

UniqueFd bind_to(const std::string& path, int type) {
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

bool there(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

}  // namespace

TEST_CASE("the directory is made; a free path stays free", "[slipwayd]") {
  TempDir dir;
  REQUIRE(clear_socket("unix://" + dir.path + "/a/b/s.sock").ok());
  struct stat st = {};
  REQUIRE(::stat((dir.path + "/a/b").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0711);
}

TEST_CASE("a stale socket goes, a living one and other files stay", "[slipwayd]") {
  TempDir dir;
  const std::string path = dir.path + "/s.sock";
  { const UniqueFd dead = bind_to(path, SOCK_STREAM); }
  REQUIRE(there(path));
  REQUIRE(clear_socket("unix://" + path).ok());
  CHECK_FALSE(there(path));

  const UniqueFd alive = bind_to(path, SOCK_STREAM);
  REQUIRE(::listen(alive.get(), 1) == 0);
  const auto taken = clear_socket("unix://" + path);
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.error().code == Code::already_exists);
  CHECK(there(path));

  const std::string file = dir.path + "/file";
  std::ofstream(file) << "precious";
  const auto refused = clear_socket("unix://" + file);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().message, Contains("no socket"));
  CHECK(there(file));
}

TEST_CASE("the socket's mode is 0660", "[slipwayd]") {
  TempDir dir;
  const UniqueFd fd = bind_to(dir.path + "/s.sock", SOCK_STREAM);
  REQUIRE(restrict_socket("unix://" + dir.path + "/s.sock").ok());
  struct stat st = {};
  REQUIRE(::stat((dir.path + "/s.sock").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0660);
}

TEST_CASE("readiness reaches the socket that is named, and nothing happens without one", "[slipwayd]") {
  TempDir dir;
  ::unsetenv("NOTIFY_SOCKET");
  CHECK(notify("READY=1").ok());
  const std::string path = dir.path + "/notify";
  const UniqueFd manager = bind_to(path, SOCK_DGRAM);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  REQUIRE(notify("READY=1").ok());
  char text[32] = {};
  REQUIRE(::recv(manager.get(), text, sizeof text - 1, MSG_DONTWAIT) == 7);
  CHECK(std::string(text) == "READY=1");
  ::setenv("NOTIFY_SOCKET", "relative", 1);
  CHECK_FALSE(notify("READY=1").ok());
  ::unsetenv("NOTIFY_SOCKET");
}

TEST_CASE("programs are found by configuration or beside oneself; failure names the places", "[slipwayd]") {
  const auto shell = find_program("slipway-monitor", "/bin/sh");
  REQUIRE(shell.ok());
  CHECK(shell.value() == "/bin/sh");
  const auto self = find_program("unit_slipwayd", "");  // this test's own file
  REQUIRE(self.ok());
  const auto none = find_program("slipway-nothing", "");
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == Code::not_found);
  CHECK_THAT(none.error().message, Contains("/slipway-nothing, ") && Contains("/../libexec/slipway/slipway-nothing"));
}
