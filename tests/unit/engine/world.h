// An engine on fakes, in a directory of its own, with the steps that most tests begin with.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/unit/engine/fakes.h"
#include "tests/unit/temp_dir.h"

namespace slipway::engine::test {

struct World {
  slipway::test::TempDir dir;
  FakeHost host;
  std::unique_ptr<Engine> engine;

  World() { restart(); }
  void restart(const std::string& boot_id = "boot-1") {
    engine.reset();
    auto opened = host.open(dir.path, boot_id);
    if (!opened.ok()) FAIL(opened.error().message);
    engine = std::move(opened).take();
  }
  std::string pod(const std::string& name = "web") {
    const auto id = engine->run_pod(web_pod(name));
    if (!id.ok()) FAIL(id.error().message);
    return id.value();
  }
  std::string container(const std::string& pod_id, ContainerSpec spec = web_container()) {
    const auto id = engine->create_container(pod_id, std::move(spec));
    if (!id.ok()) FAIL(id.error().message);
    return id.value();
  }
  std::string running(const std::string& pod_id) {
    std::string id = container(pod_id);
    const auto started = engine->start_container(id);
    if (!started.ok()) FAIL(started.error().message);
    return id;
  }
  ContainerRecord record(const std::string& id) { return engine->find_container(id).take(); }
  bool nothing_left() {
    return host.cgroups.empty() && host.living_monitors() == 0 && host.network.held() == 0 && host.images.roots().empty() &&
           std::filesystem::is_empty(dir.path + "/run/pods") && engine->snapshot()->pods.empty() && engine->snapshot()->containers.empty();
  }
};

}  // namespace slipway::engine::test
