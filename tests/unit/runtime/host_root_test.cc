// What is remembered of a root that is mounted on the host, and what is not believed.
#include "runtime/host_root.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("a root on the host survives the way to disk and back", "[runtime]") {
  const auto parsed = runtime::parse_host_root(runtime::write_host_root({"/var/a b\n", 18446744073709551615ULL}));
  REQUIRE(parsed.ok());
  CHECK(parsed.value().path == "/var/a b\n");
  CHECK(parsed.value().mount == 18446744073709551615ULL);
}

TEST_CASE("what is no number and absolute path unmounts nothing", "[runtime]") {
  for (const char* text : {"", "12", "12 ", "12 var", "/var", "0 /var", "-1 /var", "12/var", "18446744073709551616 /var"})
    CHECK_FALSE(runtime::parse_host_root(text).ok());
}

TEST_CASE("a directory that is no mount, or another one, is left alone", "[runtime]") {
  CHECK(runtime::unmount_host_root({"/nonexistent/root", 7}).ok());
  CHECK(runtime::unmount_host_root({"/proc/self", 7}).ok());
  CHECK(runtime::unmount_host_root({"/proc", ~std::uint64_t{0}}).ok());
}

TEST_CASE("who has a mount namespace of its own keeps none of ours", "[runtime]") {
  oci::Spec spec;
  CHECK(runtime::keeps_our_mounts(spec).value());
  spec.linux_.namespaces = {{oci::NamespaceType::mount, ""}};
  CHECK_FALSE(runtime::keeps_our_mounts(spec).value());
  spec.linux_.namespaces = {{oci::NamespaceType::mount, "/proc/self/ns/mnt"}};
  CHECK(runtime::keeps_our_mounts(spec).value());
  spec.linux_.namespaces = {{oci::NamespaceType::mount, "/proc/self/ns/net"}};
  CHECK_FALSE(runtime::keeps_our_mounts(spec).ok());
}
