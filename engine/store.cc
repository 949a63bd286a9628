// What is recorded of pods and containers: maps under one mutex, each change a row in the database.
#include "engine/store.h"

#include "engine/record_codec.h"

namespace slipway::engine {
namespace {

template <class Record>
std::vector<Record> values(const std::map<std::string, Held<Record>>& records) {
  std::vector<Record> all;
  all.reserve(records.size());
  for (const auto& [id, record] : records) all.push_back(*record);
  return all;
}

template <class Record>
std::optional<Record> find(const std::map<std::string, Held<Record>>& records, const std::string& id) {
  const auto found = records.find(id);
  if (found == records.end()) return std::nullopt;
  return *found->second;
}

template <class Record>
Held<Record> changed_by(const std::function<void(Record&)>& change, const Held<Record>& held) {
  Record record = *held;
  change(record);
  return record;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& path, PodEvents& events) {
  TRY_ASSIGN(auto database, Database::open(path));
  std::unique_ptr<Store> store(new Store(std::move(database), events));
  TRY(store->load());
  return store;
}

Result<void> Store::load() {
  TRY_ASSIGN(const std::vector<Row> pods, database_->rows(Table::pods));
  for (const Row& row : pods) {
    TRY_ASSIGN(PodRecord record, pod_from_json(row.record));
    (row.committed ? pods_ : pod_intents_).emplace(row.id, std::move(record));
  }
  TRY_ASSIGN(const std::vector<Row> containers, database_->rows(Table::containers));
  for (const Row& row : containers) {
    TRY_ASSIGN(ContainerRecord record, container_from_json(row.record));
    (row.committed ? containers_ : container_intents_).emplace(row.id, std::move(record));
  }
  changed();
  return {};
}

void Store::changed() {
  auto next = std::make_shared<const Snapshot>(Snapshot{pods_, containers_});
  {
    const std::lock_guard lock(snapshot_mutex_);
    snapshot_.swap(next);
  }
  change_.notify_all();
}

void Store::tell(PodEventType type, const std::string& id, const std::string& pod_id) {
  events_.publish({type, id, pod_id, now_realtime()});
}

std::shared_ptr<const Snapshot> Store::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

std::optional<PodRecord> Store::pod(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return find(pods_, id);
}

std::optional<ContainerRecord> Store::container(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return find(containers_, id);
}

std::vector<ContainerRecord> Store::containers_of(const std::string& pod_id) const {
  const std::lock_guard lock(mutex_);
  return containers_of_locked(pod_id);
}

std::optional<PodView> Store::view(const std::string& pod_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = pods_.find(pod_id);
  if (found == pods_.end()) return std::nullopt;
  return PodView{*found->second, containers_of_locked(pod_id)};
}

std::vector<ContainerRecord> Store::containers_of_locked(const std::string& pod_id) const {
  std::vector<ContainerRecord> mine;
  for (const auto& [id, record] : containers_)
    if (record->pod_id == pod_id) mine.push_back(*record);
  return mine;
}

Result<void> Store::begin(const PodRecord& record) {
  const std::lock_guard lock(mutex_);
  TRY(database_->put(Table::pods, {record.id, false, to_json(record)}));
  pod_intents_.insert_or_assign(record.id, record);
  return {};
}

Result<void> Store::commit(PodRecord record) {
  const std::lock_guard lock(mutex_);
  TRY(database_->put(Table::pods, {record.id, true, to_json(record)}));
  pod_intents_.erase(record.id);
  const std::string id = record.id;
  const bool ready = record.state == PodState::ready;
  pods_.insert_or_assign(id, std::move(record));
  changed();
  tell(PodEventType::created, id, id);
  if (ready) tell(PodEventType::started, id, id);
  return {};
}

Result<void> Store::commit(ContainerRecord record) {
  const std::lock_guard lock(mutex_);
  TRY(database_->put(Table::containers, {record.id, true, to_json(record)}));
  const std::string id = record.id, pod_id = record.pod_id;
  containers_.insert_or_assign(id, std::move(record));
  changed();
  tell(PodEventType::created, id, pod_id);
  return {};
}

Result<void> Store::update_pod(const std::string& id, const std::function<void(PodRecord&)>& change) {
  const std::lock_guard lock(mutex_);
  const auto found = pods_.find(id);
  if (found == pods_.end()) return fail(Code::not_found, "there is no pod '{}'", id);
  const PodState before = found->second->state;
  const Held<PodRecord> now = found->second = changed_by(change, found->second);
  changed();
  if (before != now->state) tell(now->state == PodState::ready ? PodEventType::started : PodEventType::stopped, id, id);
  return database_->put(Table::pods, {id, true, to_json(*now)});
}

Result<void> Store::update_container(const std::string& id, const std::function<void(ContainerRecord&)>& change) {
  const std::lock_guard lock(mutex_);
  const auto found = containers_.find(id);
  if (found == containers_.end()) return fail(Code::not_found, "there is no container '{}'", id);
  const ContainerState before = found->second->state;
  const Held<ContainerRecord> now = found->second = changed_by(change, found->second);
  changed();
  if (before != now->state && now->state == ContainerState::running) tell(PodEventType::started, id, now->pod_id);
  if (before != now->state && now->state == ContainerState::exited) tell(PodEventType::stopped, id, now->pod_id);
  return database_->put(Table::containers, {id, true, to_json(*now)});
}

Result<void> Store::remove_pod(const std::string& id) {
  const std::lock_guard lock(mutex_);
  TRY(database_->remove(Table::pods, id));
  pod_intents_.erase(id);
  const auto found = pods_.find(id);
  if (found == pods_.end()) return {};
  events_.remember(*found->second, now_realtime());
  pods_.erase(found);
  changed();
  tell(PodEventType::deleted, id, id);
  return {};
}

Result<void> Store::remove_container(const std::string& id) {
  const std::lock_guard lock(mutex_);
  TRY(database_->remove(Table::containers, id));
  container_intents_.erase(id);
  const auto found = containers_.find(id);
  if (found == containers_.end()) return {};
  const std::string pod_id = found->second->pod_id;
  containers_.erase(found);
  changed();
  tell(PodEventType::deleted, id, pod_id);
  return {};
}

std::optional<PodRecord> Store::find_pod(const PodMetadata& wanted) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, record] : pods_) {
    const PodMetadata& m = record->spec.metadata;
    if (m.name == wanted.name && m.namespace_ == wanted.namespace_ && m.uid == wanted.uid && m.attempt == wanted.attempt) return *record;
  }
  return std::nullopt;
}

std::optional<ContainerRecord> Store::find_container(const std::string& pod_id, const ContainerMetadata& wanted) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, record] : containers_) {
    const ContainerMetadata& m = record->spec.metadata;
    if (record->pod_id == pod_id && m.name == wanted.name && m.attempt == wanted.attempt) return *record;
  }
  return std::nullopt;
}

std::vector<PodRecord> Store::pod_intents() const {
  const std::lock_guard lock(mutex_);
  return values(pod_intents_);
}

std::vector<ContainerRecord> Store::container_intents() const {
  const std::lock_guard lock(mutex_);
  return values(container_intents_);
}

std::optional<ContainerRecord> Store::wait_container(const std::string& id, std::chrono::steady_clock::time_point deadline,
                                                     const std::function<bool(const ContainerRecord&)>& done) const {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto found = containers_.find(id);
    if (found == containers_.end()) return std::nullopt;
    if (done(*found->second)) return *found->second;
    if (change_.wait_until(lock, deadline) == std::cv_status::timeout) return find(containers_, id);
  }
}

void Store::wake() const {
  change_.notify_all();
}

}  // namespace slipway::engine
