// The library's create() where the command line does not reach: overlays as roots (root).
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "cgroups/cgroup.h"
#include "runtime/runner.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using slipway::test::slurp;
namespace fs = std::filesystem;

namespace {

// `count` layers, the last of them with busybox and the usual folders; each has a file of its own, and all have "same".
struct Layers {
  test::TempDir dir;
  runtime::OverlayRoot overlay;

  explicit Layers(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string layer = dir.path + "/a-name-that-is-as-long-as-a-digest-of-a-layer-would-be-" + std::to_string(i);
      fs::create_directories(layer + "/files");
      std::ofstream(layer + "/files/" + std::to_string(i)) << i;
      std::ofstream(layer + "/same") << i << "\n";
      overlay.lower.push_back(layer);
    }
    for (const char* folder : {"bin", "proc", "dev"}) fs::create_directories(overlay.lower.back() + "/" + folder);
    fs::copy_file("/bin/busybox", overlay.lower.back() + "/bin/busybox");
    overlay.upper = dir.path + "/upper";
    overlay.work = dir.path + "/work";
    fs::create_directory(overlay.upper);
    fs::create_directory(overlay.work);
  }
};

oci::Spec spec_for(const std::string& script) {
  oci::Spec spec;
  spec.oci_version = "1.2.0";
  spec.process = oci::Process{};
  spec.process->args = {"/bin/busybox", "sh", "-c", script};
  spec.root = oci::Root{"unused", false};
  spec.mounts = {{"/proc", "proc", "proc", {}, {}, {}}, {"/dev", "tmpfs", "tmpfs", {}, {}, {}}};
  for (const auto type : {oci::NamespaceType::pid, oci::NamespaceType::mount, oci::NamespaceType::cgroup})
    spec.linux_.namespaces.push_back({type, ""});
  spec.linux_.cgroups_path = "/slipway-test/create-" + std::to_string(::getpid());
  return spec;
}

struct Outcome {
  int status = -1;
  std::string error;
  std::string output;
};

Outcome run(const oci::Spec& spec, const Layers& layers) {
  Outcome outcome;
  const std::string path = layers.dir.path + "/output";
  const auto output = sys::open_path(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  REQUIRE(output.ok());
  runtime::CreateRequest request;
  request.id = "create-test";
  request.spec = &spec;
  request.bundle = layers.dir.path;
  request.overlay = layers.overlay;
  request.stdio = {-1, output.value().get(), output.value().get()};
  auto created = runtime::create(request);
  const auto root = cgroups::open_root();
  REQUIRE(root.ok());
  if (!created.ok()) {
    outcome.error = created.error().message;
    CHECK_FALSE(sys::exists(root.value().path + spec.linux_.cgroups_path));
    (void)::rmdir((root.value().path + "/slipway-test").c_str());
    return outcome;
  }
  std::vector<std::string> stages;
  for (const auto& stage : created.value().stages) stages.push_back(stage.name);
  CHECK(stages == std::vector<std::string>{"plan", "cgroup", "mounts", "clone", "init"});
  CHECK(runtime::await_exec(created.value().sync, created.value().pid, created.value().pidfd).ok());
  const auto status = sys::wait_pidfd(created.value().pidfd);
  REQUIRE(status.ok());
  outcome.status = status.value().code;
  CHECK(cgroups::Cgroup::kill_and_remove(root.value(), spec.linux_.cgroups_path, 5000).ok());
  (void)::rmdir((root.value().path + "/slipway-test").c_str());  // unless another test's container is in it
  outcome.output = slurp(path);
  return outcome;
}

}  // namespace

TEST_CASE("an overlay of 60 layers with long names is a root, and only its upper layer is written", "[runtime][root]") {
  const Layers layers(60);
  const std::string before = fs::current_path();
  const Outcome outcome =
      run(spec_for("busybox ls /files | busybox wc -l; busybox cat /same; echo new > /new; busybox rm /files/7"), layers);
  CHECK(outcome.error == "");
  CHECK(outcome.output == "60\n0\n");
  CHECK(outcome.status == 0);
  CHECK(slurp(layers.overlay.upper + "/new") == "new\n");
  CHECK(sys::exists(layers.overlay.lower[7] + "/files/7"));
  CHECK(fs::current_path() == before);
  CHECK(slurp("/proc/self/mountinfo").find(layers.dir.path) == std::string::npos);
}

TEST_CASE("an overlay has as many layers as image builders make", "[runtime][root]") {
  const Layers layers(128);
  const Outcome outcome = run(spec_for("busybox ls /files | busybox wc -l; busybox cat /same"), layers);
  CHECK(outcome.error == "");
  CHECK(outcome.output == "128\n0\n");
}

TEST_CASE("more layers than one mount option holds need a kernel that takes them one by one", "[runtime][root]") {
  const Layers layers(140);
  const Outcome outcome = run(spec_for("busybox ls /files | busybox wc -l"), layers);
  if (outcome.error.empty()) {
    CHECK(outcome.output == "140\n");
  } else {
    CHECK_THAT(outcome.error, Catch::Contains("more than 128 need Linux 6.8"));  // REMOVE-WHEN: kernel >= 6.8
  }
}

TEST_CASE("an overlay without upper layer is read-only", "[runtime][root]") {
  for (const int count : {1, 3}) {
    Layers layers(count);
    layers.overlay.upper.clear();
    const Outcome outcome = run(spec_for("echo x > /new || exit 5"), layers);
    CHECK(outcome.error == "");
    CHECK(outcome.status == 5);
    CHECK_THAT(outcome.output, Catch::Contains("Read-only file system"));
  }
}

TEST_CASE("a missing layer is named and nothing is left", "[runtime][root]") {
  Layers layers(2);
  layers.overlay.lower[1] += "-not";
  const Outcome outcome = run(spec_for("true"), layers);
  CHECK_THAT(outcome.error, Catch::StartsWith("overlay: open '"));
}

TEST_CASE("a failure in init leaves neither process nor cgroup", "[runtime][root]") {
  Layers layers(2);
  oci::Spec spec = spec_for("true");
  spec.mounts.push_back({"/same/below", "tmpfs", "tmpfs", {}, {}, {}});
  const Outcome outcome = run(spec, layers);
  CHECK(outcome.error == "mount target '/same/below' in the root: Not a directory");
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}
