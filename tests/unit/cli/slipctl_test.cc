// bin/slipctl as a person calls it, against a real server on fakes.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cri/server.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tests/unit/cri/fakes.h"
#include "tests/unit/slurp.h"

using namespace slipway;
using Catch::Contains;
using slipway::test::slurp;

namespace {

struct Ran {
  int code = -1;
  std::string out, err;
};

// `arguments` are words between blanks.
Ran slipctl(const std::string& dir, const std::string& arguments) {
  const std::string program = std::string(SLIPWAY_BINARY_DIR) + "/bin/slipctl";
  std::istringstream words("slipctl " + arguments);
  sys::SpawnRequest request;
  request.program = program;
  request.argv = {std::istream_iterator<std::string>(words), {}};
  const auto out = sys::open_path(dir + "/out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const auto err = sys::open_path(dir + "/err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  REQUIRE(out.ok());
  REQUIRE(err.ok());
  request.stdio[1] = out.value().get();
  request.stdio[2] = err.value().get();
  auto child = sys::spawn(request);
  REQUIRE(child.ok());
  const auto status = child.value().wait();
  REQUIRE(status.ok());
  return {status.value().code, slurp(dir + "/out"), slurp(dir + "/err")};
}

struct Fixture {
  Fixture() {
    REQUIRE(::mkdtemp(dir.data()) != nullptr);
    cri::ServerOptions options;
    options.listen = "unix://" + dir + "/cri.sock";
    options.facts.version = "9.9.9";
    options.facts.configuration = R"({"root":"/var/lib/slipway","cni":{"bin_dirs":["/a","/b"]}})";
    auto started = cri::Server::start(std::move(options), engine, images, network);
    REQUIRE(started.ok());
    server = std::move(started).take();
  }
  ~Fixture() {
    server->stop(std::chrono::seconds(1));
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }

  Ran run(const std::string& arguments) const { return slipctl(dir, "--endpoint " + dir + "/cri.sock " + arguments); }

  // A pod with a running container.
  std::string add_pod(const std::string& name) {
    engine::PodSpec spec;
    spec.metadata = {name, "u", "default", 0};
    const auto pod = engine.run_pod(spec);
    engine::ContainerSpec container;
    container.metadata = {name, 0};
    container.image = "nginx:1";
    const auto id = engine.create_container(pod.value(), container);
    auto& record = engine.records.containers[id.value()];
    record.state = engine::ContainerState::running;
    record.log_path = dir + "/log";
    std::ofstream(record.log_path) << "2026-11-21T20:50:11.000000000Z stdout F hello\n"
                                   << "2026-11-21T20:50:12.000000000Z stderr P par\n"
                                   << "2026-11-21T20:50:12.000000000Z stderr F tial\n";
    return id.value();
  }

  std::string dir = "/tmp/slipctl-test-XXXXXX";
  tests::FakeEngine engine;
  tests::FakeImages images;
  tests::FakeNetwork network;
  std::unique_ptr<cri::Server> server;
};

}  // namespace

TEST_CASE("exit codes: 0 done, 1 failed, 2 usage, exec's own", "[cli]") {
  Fixture f;
  CHECK(f.run("version").code == 0);
  CHECK(f.run("--help").code == 0);
  CHECK(f.run("--version").out == "slipctl 0.1.0\n");
  CHECK(f.run("").code == 2);
  CHECK(f.run("fly").code == 2);
  CHECK_THAT(f.run("fly").err, Contains("slipctl: there is no verb 'fly'"));
  CHECK_THAT(f.run("--speed fly").err, Contains("slipctl: there is no flag '--speed'"));
  CHECK(f.run("timeline").code == 2);
  CHECK_THAT(f.run("timeline").err, Contains("slipctl: timeline: POD is required"));
  CHECK_THAT(f.run("-o json exec web").err, Contains("slipctl: exec: COMMAND is required"));
  CHECK(f.run("ps --nonsense").code == 2);
  CHECK_THAT(f.run("ps --nonsense").err, Contains("slipctl: ") && Contains("--nonsense"));
  for (const char* wrong : {"--endpoint tcp://x ps", "run --memory 12x nginx:1", "run --cpus a nginx:1", "run -p abc nginx:1",
                            "run -d --rm nginx:1", "pull --user foo nginx:1", "stop -t -1 web"})
    CHECK(f.run(wrong).code == 2);
  CHECK(f.run("inspect nothing").code == 1);
  f.add_pod("web");
  const auto ran = f.run("exec web ls -l --output x");
  CHECK(ran.code == 3);  // the fake's command's own
  CHECK(ran.out == "out\n");
  CHECK(ran.err == "err\n");
  CHECK(f.run("exec nothing ls").code == 125);
  CHECK(f.run("attach nothing").code == 125);
  CHECK(nlohmann::json::parse(f.run("-o json exec web ls").out)["exit_code"] == 3);
  CHECK(f.run("run --name web nginx:1").code == 125);
  CHECK_THAT(f.run("run --name web nginx:1").err, Contains("there is a pod 'web' already"));
  CHECK(f.run("exec --timeout 5 web -- ls -i").code == 3);
  CHECK_THAT(f.engine.calls().back(), Contains(" ls 5"));
}

TEST_CASE("what cannot go together is said by name", "[cli]") {
  Fixture f;
  f.add_pod("web");
  const auto timeout = f.run("exec -i --timeout 3 web sh");
  CHECK(timeout.code == 1);
  CHECK_THAT(timeout.err, Contains("--timeout") && Contains("--interactive"));
  CHECK_THAT(f.run("-o json exec -t web sh").err, Contains("--output json"));
  CHECK_THAT(f.run("port-forward web 80:http").err, Contains("'http' is no port"));
  CHECK(f.run("port-forward web 80:http").code == 2);
}

TEST_CASE("every verb has help", "[cli]") {
  Fixture f;
  for (const char* verb : {"version", "info", "pull", "load", "images", "rmi", "run", "pods", "ps", "inspect", "logs", "exec", "attach",
                           "port-forward", "stop", "rm", "timeline", "stats"}) {
    const auto ran = f.run(std::string(verb) + " --help");
    CHECK(ran.code == 0);
    CHECK_THAT(ran.out, Contains("Usage: slipctl " + std::string(verb)));
  }
}

TEST_CASE("tables for people, JSON for programs", "[cli]") {
  Fixture f;
  const std::string id = f.add_pod("web");
  const auto table = f.run("ps");
  CHECK_THAT(table.out, Contains("CONTAINER") && Contains("default/web") && Contains("running") && !Contains("\033"));
  const auto json = nlohmann::json::parse(f.run("ps -o json").out);
  CHECK(json["containers"][0]["id"] == id);
  CHECK(nlohmann::json::parse(f.run("-o json pods").out)["items"].size() == 1);
  CHECK(nlohmann::json::parse(f.run("inspect web").out)["spec"]["metadata"]["name"] == "web");
  CHECK(nlohmann::json::parse(f.run("inspect web web").out).size() == 2);
  CHECK(nlohmann::json::parse(f.run("version -o json").out)["runtime_version"] == "9.9.9");
  const auto info = f.run("info").out;
  CHECK_THAT(info, Contains("NetworkReady") && Contains("NetworkPluginNotReady"));
  CHECK_THAT(info,
             Contains("config.root") && Contains("  /var/lib/slipway\n") && Contains("config.cni.bin_dirs   /a, /b\n") && !Contains("{"));
  const auto counted = nlohmann::json::parse(f.run("info -o json").out);
  CHECK(counted["version"]["runtime_version"] == "9.9.9");
  CHECK(counted["pods"] == 1);
  CHECK(counted["containers"] == 1);
  CHECK(counted["images"] == 0);
  CHECK(counted["status"]["conditions"].size() == 2);
}

TEST_CASE("logs: streams apart, pieces joined, tail, time, JSON", "[cli]") {
  Fixture f;
  f.add_pod("web");
  const auto all = f.run("logs web");
  CHECK(all.code == 0);
  CHECK(all.out == "hello\n");
  CHECK(all.err == "partial\n");
  CHECK(f.run("logs -n 1 web").out.empty());
  CHECK(f.run("logs -t web").err == "2026-11-21T20:50:12.000000000Z partial\n");
  CHECK_THAT(f.run("logs -o json web").out, Contains("{\"log\":\"hello\",\"stream\":\"stdout\",\"tag\":\"F\""));
}

TEST_CASE("logs -f ends when the container has", "[cli]") {
  Fixture f;
  const std::string id = f.add_pod("web");
  f.engine.records.containers[id].state = engine::ContainerState::exited;
  CHECK(f.run("logs -f web").out == "hello\n");
}

TEST_CASE("images: pull says what it got, rmi what it did", "[cli]") {
  Fixture f;
  const auto pulled = f.run("pull docker.io/library/web:1");
  CHECK(pulled.code == 0);
  CHECK(pulled.out == "sha256:" + std::string(64, '1') + "  docker.io/library/web:1\n");
  CHECK_THAT(pulled.err, Contains("download layer1"));
  CHECK(nlohmann::json::parse(f.run("pull -o json docker.io/library/web:1").out)[0]["references"][0] == "docker.io/library/web:1");
  CHECK_THAT(f.run("images").out, Contains("docker.io/library/web") && Contains("4.1 kB"));
  const std::string container = f.add_pod("web");
  f.engine.records.containers[container].image_id = "sha256:" + std::string(64, '1');
  const auto used = f.run("rmi docker.io/library/web:1");
  CHECK(used.code == 1);
  CHECK_THAT(used.err, Contains("image 'docker.io/library/web:1' is in use by container 'web' (" + container.substr(0, 13) + ")"));
  CHECK_THAT(f.run("images").out, Contains("docker.io/library/web"));
  CHECK(f.run("rmi --force docker.io/library/web:1").code == 0);
  const auto gone = f.run("rmi docker.io/library/web:1");
  CHECK(gone.code == 1);
  CHECK_THAT(gone.err, Contains("there is no image"));
}

TEST_CASE("stop and rm reach the engine with what was meant", "[cli]") {
  Fixture f;
  const std::string id = f.add_pod("web");
  CHECK(f.run("rm web").code == 1);  // ready: not without --force
  CHECK(f.engine.calls().empty());
  CHECK(f.run("stop -t 3 web").code == 0);
  REQUIRE(f.engine.calls().size() == 2);
  CHECK(f.engine.calls()[0] == "stop_container " + id + " 3");
  CHECK_THAT(f.engine.calls()[1], Contains("stop_pod"));
  CHECK(f.run("rm -f " + id.substr(0, 5)).code == 0);
  CHECK(f.engine.calls().back() == "remove_container " + id);
}

TEST_CASE("a timeline is drawn", "[cli]") {
  Fixture f;
  f.add_pod("web");
  CHECK(f.run("timeline web").code == 1);
  for (auto& [id, pod] : f.engine.records.pods)
    pod.stages = {{"namespaces", 10'000'000, 2'000'000, 0}, {"network", 12'000'000, 6'000'000, 0}};
  const auto drawn = f.run("timeline web");
  CHECK(drawn.code == 0);
  CHECK_THAT(drawn.out, Contains("pod default/web: 8.000 ms") && Contains("namespaces"));
  CHECK(nlohmann::json::parse(f.run("timeline -o json web").out)["stages"].size() == 2);
}

TEST_CASE("nobody at the socket is told with the way out", "[cli]") {
  Fixture f;
  const auto ran = slipctl(f.dir, "--endpoint /nonexistent/x.sock ps");
  CHECK(ran.code == 1);
  CHECK_THAT(ran.err, Contains("unix:///nonexistent/x.sock") && Contains("--endpoint"));
}
