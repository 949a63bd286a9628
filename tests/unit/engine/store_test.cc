// Records: what is told to the store is there for the next one, readers have a picture that does not change.
#include <catch2/catch.hpp>

#include <sqlite3.h>
#include <sys/stat.h>

#include "engine/record_codec.h"
#include "engine/store.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::engine;

namespace {

PodRecord pod_record(const std::string& id) {
  PodRecord record;
  record.id = id;
  record.spec.metadata = {"web", "uid", "default", 3};
  record.spec.labels = {{"app", "wéb"}};
  record.spec.security.run_as_user = 0;
  record.spec.security.namespaces.uid_mappings = {{0, 100000, 65536}};
  record.state = PodState::ready;
  record.network_up = true;
  record.ips = {"10.1.0.2"};
  record.stages = {{"network", 5, 6, 1}};
  return record;
}

}  // namespace

TEST_CASE("a record is the same after JSON", "[engine]") {
  const PodRecord pod = pod_record("p1");
  const auto back = pod_from_json(to_json(pod));
  REQUIRE(back.ok());
  CHECK(to_json(back.value()) == to_json(pod));
  CHECK(back.value().spec.security.run_as_user == 0);
  CHECK_FALSE(back.value().spec.security.run_as_group.has_value());
  CHECK(back.value().spec.security.namespaces.uid_mappings[0].host_id == 100000);
  CHECK(back.value().stages[0].depth == 1);

  ContainerRecord container;
  container.id = "c1";
  container.spec.envs = {{"A", "1"}, {"B", "x=y"}};
  container.spec.mounts = {{.container_path = "/data", .host_path = "/srv", .propagation = Propagation::bidirectional}};
  container.resources.hugepage_limits = {{"2MB", 7}};
  container.state = ContainerState::exited;
  const auto again = container_from_json(to_json(container));
  REQUIRE(again.ok());
  CHECK(to_json(again.value()) == to_json(container));
  CHECK(again.value().spec.mounts[0].propagation == Propagation::bidirectional);
}

TEST_CASE("a record's text is JSON whatever it holds, and holds nothing that is empty", "[engine]") {
  ContainerRecord container;
  container.id = "c1";
  container.message = "a \"quote\", a\nline, \x01 and a stray \xff byte, \xe2\x82";
  const std::string text = to_json(container);
  const auto back = container_from_json(text);
  REQUIRE(back.ok());
  CHECK(back.value().message == "a \"quote\", a\nline, \x01 and a stray \xef\xbf\xbd byte, \xef\xbf\xbd\xef\xbf\xbd");
  CHECK(to_json(back.value()).size() == to_json(container).size());
  CHECK(text.find("[]") == std::string::npos);
  CHECK(text.find("\"\"") == std::string::npos);
  CHECK(to_json(container_from_json(to_json(ContainerRecord())).value()) == to_json(ContainerRecord()));
  CHECK(to_json(pod_from_json(to_json(PodRecord())).value()) == to_json(PodRecord()));
  CHECK(container_from_json(R"({"id":"c","spec":{"command":[],"working_dir":"","labels":{}},"reason":""})")
            .ok());  // as they were written before
}

TEST_CASE("a record of another slipwayd is read: unknown fields ignored, missing ones default", "[engine]") {
  const auto record = pod_from_json(R"({"id":"p","of_a_later_version":[1],"state":"ready"})");
  REQUIRE(record.ok());
  CHECK(record.value().state == PodState::ready);
  CHECK(record.value().spec.metadata.attempt == 0);
  CHECK(pod_from_json("{").error().code == Code::data_loss);
  CHECK(pod_from_json(R"({"id":7})").error().code == Code::data_loss);
}

TEST_CASE("an intent is unseen until it is committed, and both survive", "[engine]") {
  test::TempDir dir;
  PodEvents events;
  const std::string path = dir.path + "/slipway.db";
  {
    auto store = Store::open(path, events).take();
    REQUIRE(store->begin(pod_record("p1")).ok());
    REQUIRE(store->begin(pod_record("p2")).ok());
    CHECK(store->snapshot()->pods.empty());
    REQUIRE(store->commit(pod_record("p2")).ok());
    const auto seen = store->snapshot();
    CHECK(seen->pods.size() == 1);
    REQUIRE(store->update_pod("p2", [](PodRecord& r) { r.state = PodState::not_ready; }).ok());
    CHECK(seen->pods.at("p2")->state == PodState::ready);  // a picture does not change
    CHECK(store->snapshot()->pods.at("p2")->state == PodState::not_ready);
    CHECK(store->snapshot() == store->snapshot());
    CHECK(store->find_pod({"web", "uid", "default", 3})->id == "p2");
    CHECK_FALSE(store->find_pod({"web", "uid", "default", 4}));
  }
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
  auto store = Store::open(path, events).take();
  CHECK(store->pod_intents().size() == 1);
  CHECK(store->pod("p2")->state == PodState::not_ready);
  REQUIRE(store->remove_pod("p1").ok());
  REQUIRE(store->remove_pod("p1").ok());
  CHECK(store->pod_intents().empty());
  CHECK(store->update_pod("p1", [](PodRecord&) {}).error().code == Code::not_found);
}

TEST_CASE("a store of a later schema is not touched", "[engine]") {
  test::TempDir dir;
  PodEvents events;
  const std::string path = dir.path + "/slipway.db";
  { auto store = Store::open(path, events).take(); }
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &raw) == SQLITE_OK);
  REQUIRE(sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_close(raw) == SQLITE_OK);
  const auto store = Store::open(path, events);
  REQUIRE_FALSE(store.ok());
  CHECK(store.error().code == Code::failed_precondition);
  CHECK_THAT(store.error().message, Catch::Contains("99"));
}
