// What is still known of a network after the host lost power: pods without a record, intents cut short, addresses without an owner.
#include <fcntl.h>
#include <sys/file.h>
#include <catch2/catch.hpp>

#include "tests/unit/network/support.h"

using namespace slipway;
using namespace slipway::network;
using test::Host;
using test::kOneAddress;
using test::list_of;
using test::request;

TEST_CASE("a network that no record speaks of is given back by its intent", "[network][crash]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.config("a.conflist",
              list_of(R"({"type":"first","generation":1,"capabilities":{"portMappings":true,"io.kubernetes.cri.pod-annotations":false}})"));
  auto pod = request();
  pod.port_mappings = {{"tcp", 80, 8080, ""}};
  pod.annotations["long"] = std::string(100'000, 'x');
  REQUIRE(host.open()->attach(pod).ok());
  CHECK(host.read("/intents/" + pod.pod_id).size() < 2000);  // no plugin asks for annotations
  host.config("a.conflist", list_of(R"({"type":"other"})"));
  const auto network = host.open();
  const auto owed = network->owed();
  REQUIRE(owed.ok());
  CHECK(owed.value() == std::vector<std::string>{pod.pod_id});
  REQUIRE(network->detach_owed(pod.pod_id).ok());
  CHECK(host.calls() == "ADD first\nDEL first\n");
  CHECK(host.input("first", "DEL")["generation"] == 1);
  CHECK(host.input("first", "DEL")["runtimeConfig"]["portMappings"][0]["hostPort"] == 8080);
  CHECK_THAT(host.read("/log/first.DEL.env"), Catch::Contains("K8S_POD_NAME=web"));
  CHECK(network->owed().value().empty());
  CHECK(network->detach_owed(pod.pod_id).ok());
  CHECK(host.calls() == "ADD first\nDEL first\n");
}

TEST_CASE("an intent that the power cut in the middle means that no plugin ran", "[network][crash]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.config("a.conflist", list_of(R"({"type":"first"})"));
  for (const char* rest : {"", R"({"config":{"cniVer)", "\0\0\0"}) {
    host.write("/intents/" + request().pod_id, rest);
    const auto network = host.open();
    CHECK(network->owed().value().size() == 1);
    CHECK(network->detach_owed(request().pod_id).ok());
    CHECK(network->owed().value().empty());
  }
  CHECK(host.calls().empty());
}

TEST_CASE("a DEL that is owed and fails stays owed", "[network][crash]") {
  Host host;
  host.plugin("first", "[ $CNI_COMMAND = ADD ] && { cat <<'EOF'\n" + std::string(kOneAddress) + "\nEOF\nexit 0; }\n[ -e $L/healed ]");
  host.config("a.conflist", list_of(R"({"type":"first"})"));
  const auto network = host.open();
  REQUIRE(network->attach(request()).ok());
  CHECK_FALSE(network->detach_owed(request().pod_id).ok());
  CHECK(network->owed().value().size() == 1);
  host.write("/log/healed", "");
  CHECK(network->detach_owed(request().pod_id).ok());
  CHECK(network->owed().value().empty());
}

TEST_CASE("host-local's addresses without an owner are freed, under its lock", "[network][crash]") {
  Host host;
  host.config("a.conflist", list_of(R"({"type":"first","ipam":{"type":"host-local","dataDir":")" + host.root + R"(/data"}})"));
  const auto network = host.open();
  REQUIRE(network->reclaim().ok());  // nothing was ever given
  const std::string directory = "/data/testnet/";
  REQUIRE(sys::make_directories(host.root + directory, 0755).ok());
  for (const char* name : {"10.1.0.5", "fd00::5", "lock", "last_reserved_ip.0", "notes"}) host.write(directory + name, "");
  host.write(directory + "10.1.0.6", "some-pod\r\neth0");
  {
    const UniqueFd plugin = sys::open_path(host.root + directory + "lock", O_RDONLY).take();
    REQUIRE(::flock(plugin.get(), LOCK_EX) == 0);
    const auto busy = network->reclaim();
    REQUIRE_FALSE(busy.ok());
    CHECK(busy.error().code == Code::unavailable);
    CHECK(sys::exists(host.root + directory + "10.1.0.5"));
  }
  REQUIRE(network->reclaim().ok());
  for (const char* gone : {"10.1.0.5", "fd00::5"}) CHECK_FALSE(sys::exists(host.root + directory + gone));
  for (const char* stays : {"10.1.0.6", "lock", "last_reserved_ip.0", "notes"}) CHECK(sys::exists(host.root + directory + stays));
}
