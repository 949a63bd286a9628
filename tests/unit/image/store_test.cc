// The store with its real worker: pulls, records over restarts, layers that go and stay, container roots.
#include "image/store.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <stop_token>
#include <thread>

#include "image/reference.h"
#include "sys/file.h"
#include "tests/unit/image/test_server.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::image;
using namespace slipway::test;
namespace fs = std::filesystem;

namespace {

struct Bench {
  TempDir dir;
  std::string root = dir.path + "/images";
  std::unique_ptr<engine::Images> store;

  Bench() { reopen(); }
  void reopen(const std::string& program = SLIPWAY_IMAGE_PROGRAM) {
    store.reset();
    StoreOptions options;
    options.root = root;
    options.worker_program = program;
    auto r = open_store(std::move(options));
    INFO((r.ok() ? "" : r.error().message));
    REQUIRE(r.ok());
    store = std::move(r).take();
  }
  engine::ImageRecord pull(const std::string& name) const {
    auto r = store->pull(name, {}, nullptr, {});
    INFO((r.ok() ? "" : r.error().message));
    REQUIRE(r.ok());
    return r.value();
  }
  std::size_t layers() const {
    std::size_t n = 0;
    for (const auto& entry : fs::directory_iterator(root + "/layers")) n += entry.path().filename().string().size() == 64 ? 1 : 1000;
    return n;
  }
};

const std::string kBase = make_tar({dir("./", 0711), dir("etc/"), file("etc/passwd", "root:x:0:0\n")});

TestImage first() {
  return TestImage({kBase, make_tar({file("one", "1")})});
}
TestImage second() {
  return TestImage({kBase, make_tar({file("two", "2")})});
}

// Serves /v2/first/…, /v2/second/….
TestServer::Handler two_images(const TestImage& a, const TestImage& b) {
  return [&](const ServedRequest& request) { return request.target.starts_with("/v2/first/") ? a.serve(request) : b.serve(request); };
}

}  // namespace

TEST_CASE("a pulled image is recorded, found and still there after a restart", "[image]") {
  const TestImage a = first(), b = second();
  const TestServer server(two_images(a, b));
  Bench bench;
  std::vector<std::string> stages;
  const auto r =
      bench.store->pull(server.host() + "/first:v1", {}, [&](const engine::Progress& progress) { stages.push_back(progress.stage); }, {});
  INFO((r.ok() ? "" : r.error().message));
  REQUIRE(r.ok());
  CHECK(r.value().id == a.id);
  CHECK(r.value().repo_tags == std::vector<std::string>{server.host() + "/first:v1"});
  CHECK(r.value().repo_digests == std::vector<std::string>{server.host() + "/first@" + a.manifest_digest});
  CHECK(r.value().size > 0);
  CHECK(r.value().pulled_at > 0);
  CHECK(std::find(stages.begin(), stages.end(), "download") != stages.end());
  CHECK(std::find(stages.begin(), stages.end(), "commit") != stages.end());
  bench.reopen();
  REQUIRE(bench.store->list().size() == 1);
  for (const std::string& name : {a.id, a.id.substr(7, 12), server.host() + "/first:v1", server.host() + "/first@" + a.manifest_digest}) {
    CAPTURE(name);
    REQUIRE(bench.store->find(name).ok());
    CHECK(bench.store->find(name).value().config.cmd == std::vector<std::string>{"/x"});
  }
  CHECK(bench.store->read_file(bench.store->list()[0], "etc/passwd", 100).value() == "root:x:0:0\n");
  CHECK(bench.store->usage().value().used_bytes > 0);
  CHECK(bench.store->usage().value().mountpoint == bench.root);
}

TEST_CASE("what is not found while a layer is missing is not taken for the image's", "[image]") {
  const TestImage a = first(), b = second();
  const TestServer server(two_images(a, b));
  Bench bench;
  const auto image = bench.store->pull(server.host() + "/first:v1", {}, {}, {});
  REQUIRE(image.ok());
  for (const std::string& chain : image.value().layers) {
    const std::string layer = bench.root + "/layers/" + chain;
    std::filesystem::rename(layer, layer + ".away");
    CHECK(bench.store->read_file(image.value(), "etc/passwd", 100).error().code == Code::failed_precondition);
    std::filesystem::rename(layer + ".away", layer);
  }
  CHECK(bench.store->read_file(image.value(), "etc/passwd", 100).value() == "root:x:0:0\n");
  CHECK(bench.store->read_file(image.value(), "etc/group", 100).error().code == Code::not_found);
}

TEST_CASE("removing an image removes the layers nobody else has", "[image]") {
  const TestImage a = first(), b = second();
  const TestServer server(two_images(a, b));
  Bench bench;
  bench.pull(server.host() + "/first");
  bench.pull(server.host() + "/second");
  CHECK(bench.layers() == 3);  // the base is shared
  REQUIRE(bench.store->remove(server.host() + "/first").ok());
  CHECK(bench.layers() == 2);
  CHECK(bench.store->find(a.id).error().code == Code::not_found);
  REQUIRE(bench.store->remove(server.host() + "/first").ok());  // absent is fine
  REQUIRE(bench.store->remove(b.id).ok());
  CHECK(bench.layers() == 0);
  CHECK(bench.store->usage().value().used_bytes == 0);
  bench.reopen();
  CHECK(bench.store->list().empty());
}

TEST_CASE("a writable layer that is long to walk through is not walked through all the time", "[image]") {
  const TestImage a = first();
  const TestServer server(two_images(a, a));
  Bench bench;
  const std::string id(64, 'c');
  const auto root = bench.store->prepare_root(bench.pull(server.host() + "/first"), id);
  REQUIRE(root.ok());
  for (int i = 0; i < 5000; ++i) std::ofstream(root.value().upper + "/" + std::to_string(i));
  bool rested = false;  // unless this thread slept for twenty times a walk between two calls, each time
  for (int tries = 0; tries < 20 && !rested; ++tries) {
    const auto one = bench.store->root_usage(id), other = bench.store->root_usage(id);
    REQUIRE(other.ok());
    CHECK(other.value().inodes_used == 5001);
    rested = one.value().timestamp == other.value().timestamp;
  }
  CHECK(rested);
}

TEST_CASE("a container's root keeps its layers, over a restart too", "[image]") {
  const TestImage a = first();
  const TestServer server(two_images(a, a));
  Bench bench;
  const engine::ImageRecord image = bench.pull(server.host() + "/first");
  const std::string id(64, 'c');
  const auto root = bench.store->prepare_root(image, id);
  REQUIRE(root.ok());
  REQUIRE(root.value().lower.size() == 2);
  CHECK(sys::exists(root.value().lower[0] + "/one"));  // topmost first
  struct stat st {};
  REQUIRE(::stat(root.value().upper.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0711);  // the image's own
  CHECK(bench.store->prepare_root(image, id).value().upper == root.value().upper);
  std::ofstream(root.value().upper + "/data") << std::string(100'000, 'x');
  CHECK(bench.store->root_usage(id).value().used_bytes >= 100'000);
  CHECK(bench.store->root_usage(id).value().inodes_used == 2);
  CHECK(bench.store->root_usage(id).value().limit_bytes > 100'000);
  REQUIRE(bench.store->remove(image.id).ok());
  CHECK(bench.layers() == 2);
  CHECK(bench.store->prepare_root(image, std::string(64, 'd')).ok());  // its layers are still there
  REQUIRE(bench.store->remove_root(std::string(64, 'd')).ok());
  bench.reopen();
  CHECK(bench.layers() == 2);
  CHECK(bench.store->roots() == std::vector<std::string>{id});
  CHECK(sys::exists(root.value().upper + "/data"));
  REQUIRE(bench.store->remove_root(id).ok());
  REQUIRE(bench.store->remove_root(id).ok());
  CHECK(bench.layers() == 0);
  CHECK(bench.store->roots().empty());
  CHECK_FALSE(sys::exists(bench.root + "/containers/" + id));
  CHECK(bench.store->prepare_root(image, id).error().code == Code::not_found);
  for (const char* bad : {"", "..", "a/b", "x.tmp-1"}) CHECK(bench.store->prepare_root(image, bad).error().code == Code::invalid_argument);
}

TEST_CASE("a container's root keeps the layers of its image volumes, over a restart too", "[image]") {
  const TestImage a = first(), b = second();
  const TestServer server(two_images(a, b));
  Bench bench;
  const engine::ImageRecord image = bench.pull(server.host() + "/first");
  const engine::ImageRecord data = bench.pull(server.host() + "/second");
  const std::string id(64, 'c');
  CHECK(bench.store->hold(data, id).error().code == Code::failed_precondition);  // no root yet
  REQUIRE(bench.store->prepare_root(image, id).ok());
  const auto held = bench.store->hold(data, id);
  REQUIRE(held.ok());
  CHECK(held.value().size() == data.layers.size());
  const std::size_t all = bench.layers();
  REQUIRE(bench.store->remove(data.id).ok());
  CHECK(bench.layers() == all);
  const auto root = bench.store->root_of(id);
  REQUIRE(root.ok());
  CHECK(root.value().lower.size() == image.layers.size());
  bench.reopen();
  CHECK(bench.store->root_of(id).value().lower == root.value().lower);
  CHECK(bench.layers() == all);
  CHECK(sys::exists(held.value()[0]));
  REQUIRE(bench.store->remove_root(id).ok());
  CHECK(bench.layers() < all);
  CHECK(bench.store->hold(data, id).error().code == Code::not_found);  // nor its layers any more
}

TEST_CASE("overlayfs shows what the layers say", "[image]") {
  const TestImage a({make_tar({dir("./", 0711), file("gone"), dir("o/"), file("o/old"), file("kept")}),
                     make_tar({file(".wh.gone"), file("o/.wh..wh..opq"), file("o/new")})});
  const TestServer server(two_images(a, a));
  Bench bench;
  const auto root = bench.store->prepare_root(bench.pull(server.host() + "/first"), "c1");
  REQUIRE(root.ok());
  const std::string merged = bench.dir.path + "/merged";
  REQUIRE(::mkdir(merged.c_str(), 0755) == 0);
  const std::string options = "lowerdir=" + root.value().lower[0] + ":" + root.value().lower[1] + ",upperdir=" + root.value().upper +
                              ",workdir=" + root.value().work;
  REQUIRE(::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0);
  struct stat st {};
  CHECK(::stat(merged.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0711);
  CHECK_FALSE(sys::exists(merged + "/gone"));
  CHECK_FALSE(sys::exists(merged + "/o/old"));
  CHECK(sys::exists(merged + "/o/new"));
  CHECK(sys::exists(merged + "/kept"));
  CHECK(::umount(merged.c_str()) == 0);
}

TEST_CASE("a record whose layer is damaged is dropped, and a pull repairs it", "[image]") {
  const TestImage a = first();
  const TestServer server(two_images(a, a));
  Bench bench;
  const engine::ImageRecord image = bench.pull(server.host() + "/first");
  fs::remove(bench.root + "/layers/" + image.layers[1] + "/.complete");
  fs::create_directories(bench.root + "/layers/" + image.layers[1] + ".tmp-dead/fs");
  std::ofstream lock(bench.root + "/layers/" + image.layers[1] + ".lock");
  lock.close();
  fs::create_directories(bench.root + "/containers/x.tmp-dead/upper");
  bench.reopen();
  CHECK(bench.store->list().empty());
  CHECK(bench.layers() == 1);  // the whole one waits for the repetition
  CHECK_FALSE(sys::exists(bench.root + "/containers/x.tmp-dead"));
  CHECK(bench.pull(server.host() + "/first").id == a.id);
  CHECK(bench.layers() == 2);
  std::size_t base = 0;
  for (const ServedRequest& request : server.requests()) base += request.target.ends_with(a.layer_digests[0]) ? 1 : 0;
  CHECK(base == 1);  // only the damaged layer was fetched again
}

TEST_CASE("pulls of one name join, and a failed one leaves nothing", "[image]") {
  const TestImage a = first();
  std::atomic<bool> broken{true};
  std::atomic<int> manifests{0};
  const TestServer server([&](const ServedRequest& request) -> ServedReply {
    if (request.target.find("/manifests/") != std::string::npos) ++manifests;
    ServedReply reply = a.serve(request);
    if (broken && request.target.ends_with(a.layer_digests[1])) reply.body[600] = static_cast<char>(reply.body[600] ^ 1);
    return reply;
  });
  Bench bench;
  const auto failed = bench.store->pull(server.host() + "/first", {}, nullptr, {});
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == Code::data_loss);
  CHECK(bench.store->list().empty());
  CHECK(bench.layers() <= 1);
  broken = false;
  manifests = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { good += bench.store->pull(server.host() + "/first", {}, nullptr, {}).ok() ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 4);
  CHECK(manifests <= 4);
  CHECK(bench.layers() == 2);
}

TEST_CASE("a worker that dies, lies or is absent is an error", "[image]") {
  Bench bench;
  const auto with = [&](const std::string& script) {
    const std::string path = bench.dir.path + "/worker";
    std::ofstream(path) << "#!/bin/sh\n" << script;
    fs::permissions(path, fs::perms::owner_all);
    bench.reopen(path);
    return bench.store->pull("example.com/x", {}, nullptr, {});
  };
  CHECK(with("kill -9 $$").error().code == Code::internal);
  CHECK(with("exit 3").error().code == Code::internal);
  CHECK(with("echo rubbish; exec sleep 1000").error().code == Code::internal);  // and the sleeper is killed
  CHECK(with("head -c 20000000 /dev/zero | tr '\\0' x; exec sleep 1000").error().code == Code::internal);
  CHECK(with("echo '{\"error\":{\"code\":5,\"message\":\"no\"}}'").error().code == Code::not_found);
  bench.reopen(bench.dir.path + "/absent");
  CHECK_FALSE(bench.store->pull("example.com/x", {}, nullptr, {}).ok());
  CHECK(bench.store->pull("Not A Name", {}, nullptr, {}).error().code == Code::invalid_argument);
}

TEST_CASE("closing the store ends a pull in flight", "[image]") {
  Bench bench;
  const std::string path = bench.dir.path + "/worker", started = bench.dir.path + "/started";
  std::ofstream(path) << "#!/bin/sh\n: > " << started << "\nexec sleep 1000\n";
  fs::permissions(path, fs::perms::owner_all);
  bench.reopen(path);
  Result<engine::ImageRecord> r = fail(Code::ok, "not yet");
  std::thread puller([&] { r = bench.store->pull("example.com/x", {}, nullptr, {}); });
  while (!sys::exists(started)) std::this_thread::yield();
  bench.store.reset();
  puller.join();
  CHECK(r.error().code == Code::cancelled);
}

namespace {

// A thread that is waiting for somebody else when the constructor returns.
class Sleeper {
 public:
  explicit Sleeper(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          id_ = ::gettid();
          work();
        }) {
    while (id_ == 0) std::this_thread::yield();
    for (std::string state; state != "S";) {
      std::ifstream file("/proc/self/task/" + std::to_string(id_) + "/stat");
      std::string number, name;
      file >> number >> name >> state;
    }
  }
  void join() { thread_.join(); }

 private:
  std::atomic<pid_t> id_{0};
  std::thread thread_;
};

// A worker that never ends of itself, and a count of how often it was started.
struct Stalling {
  Bench bench;
  std::string path = bench.dir.path + "/worker", started = bench.dir.path + "/started";
  Stalling() {
    std::ofstream(path) << "#!/bin/sh\necho $$ >> " << started << "\nmkdir " << bench.root << "/layers/" << std::string(64, 'a')
                        << ".tmp-$$\nexec sleep 1000\n";
    fs::permissions(path, fs::perms::owner_all);
    bench.reopen(path);
  }
  std::vector<std::string> pids() const {
    std::ifstream file(started);
    std::vector<std::string> out;
    for (std::string pid; file >> pid;) out.push_back(pid);
    return out;
  }
  void wait_started(std::size_t n) const {
    while (pids().size() < n || bench.layers() < 1000) std::this_thread::yield();
  }
  Result<engine::ImageRecord> pull(const std::stop_token& gone) const { return bench.store->pull("example.com/x", {}, nullptr, gone); }
};

}  // namespace

TEST_CASE("a pull whose caller goes is ended, and nothing stays of it", "[image]") {
  const Stalling stalling;
  std::stop_source client;
  Result<engine::ImageRecord> r = fail(Code::ok, "not yet");
  std::thread puller([&] { r = stalling.pull(client.get_token()); });
  stalling.wait_started(1);
  client.request_stop();
  puller.join();
  CHECK(r.error().code == Code::cancelled);
  CHECK_FALSE(fs::exists("/proc/" + stalling.pids()[0]));
  CHECK(stalling.bench.layers() == 0);
  // Who comes with a cancelled call starts nothing.
  CHECK(stalling.pull(client.get_token()).error().code == Code::cancelled);
  CHECK(stalling.pids().size() == 1);
}

TEST_CASE("a pull ends with the last of those who joined it", "[image]") {
  const Stalling stalling;
  std::stop_source first, second;
  Result<engine::ImageRecord> one = fail(Code::ok, "not yet"), two = one;
  std::thread leader([&] { one = stalling.pull(first.get_token()); });
  stalling.wait_started(1);
  Sleeper joiner([&] { two = stalling.pull(second.get_token()); });
  first.request_stop();
  second.request_stop();
  leader.join();
  joiner.join();
  CHECK(one.error().code == Code::cancelled);
  CHECK(two.error().code == Code::cancelled);
  CHECK(stalling.pids().size() == 1);
  CHECK_FALSE(fs::exists("/proc/" + stalling.pids()[0]));
  CHECK(stalling.bench.layers() == 0);
}

TEST_CASE("one of two callers that goes leaves the other its pull", "[image]") {
  const bool leader_goes = GENERATE(false, true);
  const TestImage a = first();
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  const TestServer server([&](const ServedRequest& request) -> ServedReply {
    if (request.target.find("/blobs/") != std::string::npos) released.wait();
    return a.serve(request);
  });
  Bench bench;
  Result<engine::ImageRecord> one = fail(Code::ok, "not yet"), two = one;
  std::stop_source first_client, second_client;
  std::thread leader([&] { one = bench.store->pull(server.host() + "/first", {}, nullptr, first_client.get_token()); });
  while (server.requests().empty()) std::this_thread::yield();
  Sleeper joiner([&] { two = bench.store->pull(server.host() + "/first", {}, nullptr, second_client.get_token()); });
  if (leader_goes) {
    first_client.request_stop();
    release.set_value();
    joiner.join();
    CHECK(two.ok());
  } else {
    second_client.request_stop();
    joiner.join();
    CHECK(two.error().code == Code::cancelled);
    release.set_value();
  }
  leader.join();
  CHECK(one.ok());
  CHECK(bench.layers() == 2);
}

TEST_CASE("who joins a pull hears where it is", "[image]") {
  const TestImage a = first();
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  const TestServer server([&](const ServedRequest& request) -> ServedReply {
    if (request.target.find("/blobs/" + a.layer_digests[0]) != std::string::npos) released.wait();
    return a.serve(request);
  });
  Bench bench;
  std::promise<void> downloading;
  std::atomic<bool> seen = false;
  std::vector<std::string> heard;
  std::thread leader([&] {
    const auto progress = [&](const engine::Progress& p) {
      if (p.stage == "download" && !seen.exchange(true)) downloading.set_value();
    };
    CHECK(bench.store->pull(server.host() + "/first", {}, progress, {}).ok());
  });
  downloading.get_future().wait();
  Sleeper joiner([&] {
    CHECK(bench.store->pull(server.host() + "/first", {}, [&](const engine::Progress& p) { heard.push_back(p.stage); }, {}).ok());
  });
  release.set_value();
  joiner.join();
  leader.join();
  REQUIRE_FALSE(heard.empty());
  CHECK(std::find(heard.begin(), heard.end(), "commit") != heard.end());
}

TEST_CASE("a load whose caller goes is ended", "[image]") {
  const Stalling stalling;
  std::stop_source client;
  Result<std::vector<engine::ImageRecord>> r = fail(Code::ok, "not yet");
  std::thread loader([&] { r = stalling.bench.store->load("/tmp", "", nullptr, client.get_token()); });
  stalling.wait_started(1);
  client.request_stop();
  loader.join();
  CHECK(r.error().code == Code::cancelled);
  CHECK_FALSE(fs::exists("/proc/" + stalling.pids()[0]));
  CHECK(stalling.bench.layers() == 0);
}
