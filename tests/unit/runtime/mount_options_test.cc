// Mount options as flags.
#include "runtime/mount_options.h"

#include <sys/mount.h>

#include <catch2/catch.hpp>

using namespace slipway;
using runtime::parse_mount_options;

TEST_CASE("flags of the mount, of the tree, and the file system's own words are told apart", "[runtime]") {
  const auto parsed = parse_mount_options({"rbind", "ro", "nosuid", "rro", "rslave", "sync"});
  REQUIRE(parsed.ok());
  const auto& options = parsed.value();
  CHECK(options.bind);
  CHECK(options.recursive_bind);
  CHECK(options.attributes.set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
  CHECK(options.recursive.set == MOUNT_ATTR_RDONLY);
  CHECK(options.recursive.recursive);
  CHECK(options.propagation == MS_SLAVE);
  CHECK(options.propagation_recursive);
  REQUIRE(options.data.size() == 1);
  CHECK(options.data[0].key == "sync");
  CHECK_FALSE(options.data[0].value.has_value());
  const auto tmpfs = parse_mount_options({"mode=755"});
  REQUIRE(tmpfs.ok());
  REQUIRE(tmpfs.value().data.size() == 1);
  CHECK(tmpfs.value().data[0].key == "mode");
  CHECK(tmpfs.value().data[0].value == "755");
}

TEST_CASE("what a bind mount cannot hear is refused by name", "[runtime]") {
  for (const char* word : {"sizes=1m", "nosuchoption"}) {
    const auto parsed = parse_mount_options({"bind", word});
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == Code::invalid_argument);
  }
  CHECK(parse_mount_options({"bind", "mode=755", "size=1k"}).ok());  // as the kernel: a tmpfs' options in a list for all mounts
}

TEST_CASE("the later of two contrary options wins", "[runtime]") {
  const auto parsed = parse_mount_options({"ro", "rw", "suid", "nosuid"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().attributes.set == MOUNT_ATTR_NOSUID);
  CHECK(parsed.value().attributes.clear == 0);
}

TEST_CASE("rw does not take away a read-only of the host, rrw does", "[runtime]") {
  const auto parsed = parse_mount_options({"rw", "rrw"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().attributes.empty());
  CHECK(parsed.value().recursive.clear == MOUNT_ATTR_RDONLY);
}

TEST_CASE("a change of atime clears the whole field first, as mount_setattr(2) demands", "[runtime]") {
  const auto parsed = parse_mount_options({"noatime", "strictatime"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().attributes.set == MOUNT_ATTR_STRICTATIME);
  CHECK(parsed.value().attributes.clear == MOUNT_ATTR__ATIME);
}

TEST_CASE("what cannot be done yet is refused by name", "[runtime]") {
  for (const char* word : {"idmap=uids=0-0-1", "ridmap=uids=0-0-1"}) {
    const auto parsed = parse_mount_options({word});
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == Code::unimplemented);
    CHECK_THAT(parsed.error().message, Catch::Contains(word));
  }
}

TEST_CASE("words that begin with r but are no recursive flags go to the file system", "[runtime]") {
  const auto parsed = parse_mount_options({"rootmode=40000", "redirect_dir=on"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().data.size() == 2);
}

TEST_CASE("a remount clears what its words name, wherever it stands among them", "[runtime][mounts]") {
  const auto options = runtime::parse_mount_options({"rw", "dev", "noexec", "remount", "size=1m"});
  REQUIRE(options.ok());
  CHECK(options.value().remount);
  CHECK(options.value().attributes.clear == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV));
  CHECK(options.value().attributes.set == MOUNT_ATTR_NOEXEC);
  CHECK(options.value().data.size() == 1);
}
