// ADD and DEL with plugins that are shell scripts: good, failing, hanging, talking garbage, talking without end.
#include "network/cni.h"

#include <dirent.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include "tests/unit/network/support.h"

using namespace slipway;
using namespace slipway::network;
using test::Host;
using test::kOneAddress;
using test::list_of;
using test::request;

namespace {
std::string intent(const Host& host) {
  return host.read("/intents/" + request().pod_id);
}
}  // namespace

TEST_CASE("ADD runs in order with prevResult, DEL in reverse with the cached result", "[network]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.good_plugin("second", kOneAddress);
  host.config("10-x.conflist", list_of(R"({"type":"first"},{"type":"second","capabilities":{"portMappings":true}})"));
  const auto network = host.open();
  auto pod = request();
  pod.port_mappings = {{"tcp", 80, 8080, ""}};
  const auto added = network->attach(pod);
  REQUIRE(added.ok());
  CHECK(added.value().ips == std::vector<std::string>{"10.1.0.5"});
  CHECK(host.calls() == "ADD first\nADD second\n");
  CHECK_FALSE(host.input("first", "ADD").contains("prevResult"));
  CHECK(host.input("second", "ADD")["prevResult"]["ips"][0]["address"] == "10.1.0.5/24");
  CHECK(host.input("second", "ADD")["runtimeConfig"]["portMappings"][0]["hostPort"] == 8080);
  CHECK(host.input("second", "ADD")["name"] == "testnet");

  // The configuration changes: DEL still goes to the plugins that were added, with what they were given.
  host.config("10-x.conflist", list_of(R"({"type":"first","changed":true})"));
  REQUIRE(network->detach(pod, added.value().cached).ok());
  CHECK(host.calls() == "ADD first\nADD second\nDEL second\nDEL first\n");
  CHECK(host.input("first", "DEL")["prevResult"]["ips"][0]["address"] == "10.1.0.5/24");
  CHECK_FALSE(host.input("first", "DEL").contains("changed"));
  CHECK(host.input("second", "DEL")["runtimeConfig"]["portMappings"][0]["hostPort"] == 8080);
  CHECK(intent(host).empty());
}

TEST_CASE("a plugin's environment is CNI's and nothing else", "[network]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.config("a.conf", R"({"cniVersion":"1.0.0","name":"n","type":"first"})");
  REQUIRE(::setenv("SLIPWAY_SECRET", "x", 1) == 0);
  REQUIRE(host.open()->attach(request()).ok());
  const std::string env = host.read("/log/first.ADD.env");
  CHECK_THAT(env,
             Catch::Contains("CNI_COMMAND=ADD\nCNI_CONTAINERID=" + request().pod_id + "\nCNI_IFNAME=eth0\nCNI_NETNS=/proc/self/ns/net\n"));
  CHECK_THAT(env, Catch::Contains("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;"));
  CHECK_THAT(env, Catch::Contains("CNI_PATH=" + host.root + "/none:" + host.root + "/bin\n"));
  CHECK_THAT(env, !Catch::Contains("SECRET"));
}

TEST_CASE("a failing ADD names plugin, code and message, and is taken back", "[network]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.plugin("second", R"([ $CNI_COMMAND = DEL ] && exit 0
    echo '{"cniVersion":"1.0.0","code":11,"msg":"no more addresses","details":"range 10.0.0.0/30"}'; exit 1)");
  host.good_plugin("third", kOneAddress);
  host.config("a.conflist", list_of(R"({"type":"first"},{"type":"second"},{"type":"third"})"));
  const auto added = host.open()->attach(request());
  REQUIRE_FALSE(added.ok());
  CHECK(added.error().message == "CNI plugin 'second' ADD: code 11: no more addresses; range 10.0.0.0/30");
  CHECK(added.error().code == Code::unavailable);
  CHECK(host.calls() == "ADD first\nADD second\nDEL second\nDEL first\n");
  CHECK(intent(host).empty());
}

TEST_CASE("every plugin is asked to DEL, a failure is told and kept for the next try", "[network]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.plugin("second", "[ $CNI_COMMAND = ADD ] && { cat <<'EOF'\n" + std::string(kOneAddress) +
                            "\nEOF\nexit 0; }\n[ -e $L/healed ] || { echo broken >&2; exit 3; }");
  host.config("a.conflist", list_of(R"({"type":"first"},{"type":"second"})"));
  const auto network = host.open();
  const auto added = network->attach(request());
  REQUIRE(added.ok());
  const auto removed = network->detach(request(), added.value().cached);
  REQUIRE_FALSE(removed.ok());
  CHECK(removed.error().message == "CNI plugin 'second' DEL: exit 3, without a CNI error: broken");
  CHECK_THAT(host.calls(), Catch::EndsWith("DEL second\nDEL first\n"));
  CHECK_FALSE(intent(host).empty());
  host.write("/log/healed", "");
  CHECK(network->detach(request(), added.value().cached).ok());
  CHECK(network->detach(request(), added.value().cached).ok());
  CHECK(intent(host).empty());
}

TEST_CASE("a plugin that hangs is killed when its time is up", "[network][attack]") {
  Host host;
  host.plugin("slow", "[ $CNI_COMMAND = DEL ] && exit 0\nexec sleep 1000");
  host.config("a.conflist", list_of(R"({"type":"slow"})"));
  const auto begin = std::chrono::steady_clock::now();
  const auto added = host.open(std::chrono::milliseconds(300))->attach(request());
  REQUIRE_FALSE(added.ok());
  CHECK(added.error().code == Code::deadline_exceeded);
  CHECK_THAT(added.error().message, Catch::Contains("CNI plugin 'slow' ADD"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  CHECK(host.calls() == "ADD slow\nDEL slow\n");
}

TEST_CASE("what a killed plugin has started is killed too", "[network][attack]") {
  Host host;
  host.plugin("delegator", "[ $CNI_COMMAND = DEL ] && exit 0\n(echo started > $L/child; exec sleep 1000) &\necho $! > $L/pid; wait");
  host.config("a.conflist", list_of(R"({"type":"delegator"})"));
  REQUIRE_FALSE(host.open(std::chrono::milliseconds(1000))->attach(request()).ok());
  REQUIRE_FALSE(host.read("/log/pid").empty());
  const std::string pid = host.read("/log/pid").substr(0, host.read("/log/pid").find('\n'));
  // Killed, though whoever adopted it may not have reaped it yet.
  const Result<std::string> state = sys::read_file("/proc/" + pid + "/stat", 4096);
  CHECK((!state.ok() || state.value().find(") Z ") != std::string::npos || state.value().find(") X ") != std::string::npos));
}

TEST_CASE("a process left behind with the pipes open does not hold us", "[network][attack]") {
  Host host;
  host.plugin("forker", "sleep 5 &\n[ $CNI_COMMAND = ADD ] && cat <<'EOF'\n" + std::string(kOneAddress) + "\nEOF\nexit 0");
  host.config("a.conflist", list_of(R"({"type":"forker"})"));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(host.open()->attach(request()).ok());
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(4));
}

TEST_CASE("a plugin that talks without end is killed", "[network][attack]") {
  Host host;
  for (const char* stream : {"1", "2"}) {
    host.plugin("loud", std::string("[ $CNI_COMMAND = DEL ] && exit 0\nexec yes >&") + stream);
    host.config("a.conflist", list_of(R"({"type":"loud"})"));
    const auto added = host.open()->attach(request());
    REQUIRE_FALSE(added.ok());
    CHECK(added.error().code == Code::resource_exhausted);
  }
}

TEST_CASE("garbage, silence and death of a plugin are told apart", "[network]") {
  Host host;
  host.config("a.conflist", list_of(R"({"type":"p"})"));
  const auto message = [&](const std::string& body) {
    host.plugin("p", "[ $CNI_COMMAND = DEL ] && exit 0\n" + body);
    const auto added = host.open()->attach(request());
    REQUIRE_FALSE(added.ok());
    return added.error().message;
  };
  CHECK_THAT(message("printf 'pan\\033ic'"), Catch::Contains("CNI plugin 'p' ADD: result: not JSON: 'pan ic'"));
  CHECK_THAT(message("exit 0"), Catch::Contains("result: not JSON"));
  CHECK_THAT(message("exit 4"), Catch::Contains("exit 4, without a word"));
  CHECK_THAT(message("kill -9 $$"), Catch::Contains("killed by signal 9"));
  CHECK_THAT(message("echo '{\"code\":\"x\"}'; exit 1"), Catch::Contains("without a CNI error"));
  CHECK_THAT(message("echo '{\"cniVersion\":\"1.0.0\",\"ips\":[]}'"), Catch::Contains("gave eth0 no address"));
}

TEST_CASE("ready follows the directory", "[network]") {
  Host host;
  const auto network = host.open();
  // A watcher's thread sees the change, a moment later.
  const auto becomes = [&](const std::function<bool(const engine::Condition&)>& wanted) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(8);  // less than its look at any rate
    while (!wanted(network->ready()) && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return network->ready();
  };
  const auto ready = [&] { return becomes([](const auto& condition) { return condition.status; }).status; };
  const auto not_ready = [&](const std::string& why) {
    const auto condition = becomes([&](const auto& now) { return now.message.find(why) != std::string::npos; });
    CHECK_FALSE(condition.status);
    CHECK(condition.reason == "NetworkPluginNotReady");
    CHECK_THAT(condition.message, Catch::Contains(why));
  };
  not_ready("no network configuration in");
  host.config("README.txt", "{");
  not_ready("no network configuration in");
  host.config("20-x.conf", R"({"cniVersion":"1.0.0","name":"n","type":"later"})");
  not_ready("CNI plugin 'later' is not in");
  host.good_plugin("later", kOneAddress);
  CHECK(ready());
  // The lexically first file counts, and a broken one is not skipped in silence.
  host.config("10-x.conflist", "{");
  not_ready("10-x.conflist: not JSON");
  CHECK_FALSE(network->attach(request()).ok());
  host.config("10-x.conflist", list_of(R"({"type":"later"})"));
  CHECK(ready());
  REQUIRE(::unlink((host.root + "/conf/10-x.conflist").c_str()) == 0);
  REQUIRE(::unlink((host.root + "/conf/20-x.conf").c_str()) == 0);
  not_ready("no network configuration in");
  // The directory goes and comes again, with one above it.
  const std::string conf = host.root + "/conf";
  REQUIRE(::rename(conf.c_str(), (host.root + "/elsewhere").c_str()) == 0);
  not_ready("no directory");
  REQUIRE(::rename((host.root + "/elsewhere").c_str(), conf.c_str()) == 0);
  not_ready("no network configuration in");
  host.config("10-x.conflist", list_of(R"({"type":"later"})"));
  CHECK(ready());
}

TEST_CASE("an ADD that was cut short is taken back after a restart with another configuration", "[network][crash]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.config("a.conflist", list_of(R"({"type":"first","generation":1})"));
  REQUIRE(host.open()->attach(request()).ok());  // its reply is lost with the daemon: no cached result
  host.config("a.conflist", list_of(R"({"type":"other"})"));
  const auto network = host.open();
  REQUIRE(network->detach(request(), "").ok());
  CHECK(host.input("first", "DEL")["generation"] == 1);
  CHECK(intent(host).empty());
  // Nothing is known any more: nothing is called.
  REQUIRE(network->detach(request(), "").ok());
  CHECK(host.calls() == "ADD first\nDEL first\n");
}

TEST_CASE("a namespace that is gone is told to DEL as an empty CNI_NETNS", "[network]") {
  Host host;
  host.good_plugin("first", kOneAddress);
  host.config("a.conflist", list_of(R"({"type":"first"})"));
  const auto network = host.open();
  auto pod = request();
  const auto added = network->attach(pod);
  REQUIRE(added.ok());
  host.write("/log/unmounted", "");
  for (const char* gone : {"/log/unmounted", "/log/never-there"}) {
    pod.netns = host.root + gone;
    REQUIRE(network->detach(pod, added.value().cached).ok());
    CHECK_THAT(host.read("/log/first.DEL.env"), Catch::Contains("CNI_NETNS=\n"));
  }
}

TEST_CASE("no descriptor is left after good and bad calls", "[network]") {
  const auto count = [] {
    int n = 0;
    DIR* dir = ::opendir("/proc/self/fd");
    while (::readdir(dir) != nullptr) ++n;
    ::closedir(dir);
    return n;
  };
  Host host;
  host.plugin("p", "[ $CNI_COMMAND = DEL ] && exit 0\nexit 4");
  host.config("a.conflist", list_of(R"({"type":"p"})"));
  const auto network = host.open();
  (void)network->attach(request());
  const int before = count();
  for (int i = 0; i < 5; ++i) (void)network->attach(request());
  CHECK(count() == before);
}

TEST_CASE("options that cannot be used are refused", "[network]") {
  CniOptions options;
  options.bin_dirs = {"relative"};
  CHECK_FALSE(open_cni(options).ok());
  options.bin_dirs = {"/a:/b"};
  CHECK_FALSE(open_cni(options).ok());
  options.bin_dirs = {};
  CHECK_FALSE(open_cni(options).ok());
}
