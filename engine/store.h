// What is recorded of pods and containers: in memory for readers, in SQLite for the next slipwayd.
//
//   begin (of pods: intent, unseen by readers) → resources are made → commit (seen)  …  update_* … remove_*
//
// Every change is in the database before the call returns. Readers get an immutable snapshot, published with each change under a mutex
// of its own: who reads it never waits for the disk, nor for who writes to it. Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/database.h"
#include "engine/engine.h"
#include "engine/types.h"

namespace slipway::engine {

class Store {
 public:
  // Changes of what is committed are told to `events`, in their order.
  static Result<std::unique_ptr<Store>> open(const std::string& path, PodEvents& events);

  std::shared_ptr<const Snapshot> snapshot() const;
  std::optional<PodRecord> pod(const std::string& id) const;
  std::optional<ContainerRecord> container(const std::string& id) const;
  std::vector<ContainerRecord> containers_of(const std::string& pod_id) const;
  std::optional<PodView> view(const std::string& pod_id) const;

  // Repeatable while the intent lasts: what a later undo must know is added to it. Containers have none: until their commit they are
  // files, which are found by their ids.
  Result<void> begin(const PodRecord& record);
  Result<void> commit(PodRecord record);
  Result<void> commit(ContainerRecord record);

  // Changes a committed record under the mutex; not_found when it has gone. When the database refuses,
  // readers see the change all the same and the error is returned: facts do not go away because the disk is full.
  Result<void> update_pod(const std::string& id, const std::function<void(PodRecord&)>& change);
  Result<void> update_container(const std::string& id, const std::function<void(ContainerRecord&)>& change);

  // Intents and committed ones alike; absent = ok.
  Result<void> remove_pod(const std::string& id);
  Result<void> remove_container(const std::string& id);

  // Committed ones by the names that CRI promises to be unique; nothing when there is none.
  std::optional<PodRecord> find_pod(const PodMetadata& metadata) const;
  std::optional<ContainerRecord> find_container(const std::string& pod_id, const ContainerMetadata& metadata) const;

  std::vector<PodRecord> pod_intents() const;
  // Of a slipwayd before ADR 33, which made processes before it committed.
  std::vector<ContainerRecord> container_intents() const;

  // Waits until the container's state satisfies `done` or it is gone (then nullopt) or time is up (its state then).
  std::optional<ContainerRecord> wait_container(const std::string& id, std::chrono::steady_clock::time_point deadline,
                                                const std::function<bool(const ContainerRecord&)>& done) const;
  // Wakes every wait_container, whose `done` is asked again.
  void wake() const;

 private:
  Store(std::unique_ptr<Database> database, PodEvents& events) : database_(std::move(database)), events_(events) {}
  Result<void> load();
  void changed();  // the mutex is held, as with tell()
  void tell(PodEventType type, const std::string& id, const std::string& pod_id);
  std::vector<ContainerRecord> containers_of_locked(const std::string& pod_id) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable change_;
  std::unique_ptr<Database> database_;
  PodEvents& events_;
  std::map<std::string, Held<PodRecord>> pods_, pod_intents_;
  std::map<std::string, Held<ContainerRecord>> containers_, container_intents_;
  mutable std::mutex snapshot_mutex_;  // taken last, for as long as a pointer is copied
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace slipway::engine
