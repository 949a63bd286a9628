// engine::Images.
#include "image/store.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <tuple>

#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "image/catalogue.h"
#include "image/file_cache.h"
#include "image/layer_disk.h"
#include "image/layer_files.h"
#include "image/records.h"
#include "image/reference.h"
#include "image/roots.h"
#include "image/worker.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr int kRest = 20;  // times as long as a walk took

void tell(std::string_view what, const engine::ImageRecord& image, const std::string& from, MonotonicNanos begun) {
  log::event(what, {{"image", image.id},
                    {"name", from},
                    {"bytes", static_cast<std::int64_t>(image.size)},
                    {"ms", (now_monotonic() - begun) / 1'000'000}});
}

// A pull that others may join: same name, same credentials.
struct InFlight {
  std::string reference;
  engine::RegistryAuth auth;
  UniqueFd stop;        // an eventfd: nobody wants it any more
  unsigned wanted = 0;  // callers that have not gone
  std::optional<Result<engine::ImageRecord>> result;

  std::mutex hearing;  // of what follows; taken last
  std::list<const engine::OnProgress*> listeners;
  std::optional<engine::Progress> last;

  void tell(const engine::Progress& progress) {
    const std::lock_guard lock(hearing);
    last = progress;
    for (const auto* listener : listeners) (*listener)(progress);
  }
};

// A caller that hears of a pull's progress: who joins it late, first of where it is.
class Listening {
 public:
  Listening(InFlight& flight, const engine::OnProgress& listener) : flight_(flight), listener_(&listener) {
    if (!listener) return;
    const std::lock_guard lock(flight_.hearing);
    if (flight_.last) listener(*flight_.last);
    flight_.listeners.push_back(listener_);
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() {
    const std::lock_guard lock(flight_.hearing);
    flight_.listeners.remove(listener_);
  }

 private:
  InFlight& flight_;
  const engine::OnProgress* listener_;
};

void raise(FdRef event) {
  const std::uint64_t one = 1;
  (void)!::write(event.get(), &one, sizeof one);
}

Result<UniqueFd> make_event() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  if (!event) return fail_errno(errno, "make an eventfd");
  return event;
}

bool same(const engine::RegistryAuth& a, const engine::RegistryAuth& b) {
  const auto tie = [](const engine::RegistryAuth& x) {
    return std::tie(x.username, x.password, x.auth, x.server_address, x.identity_token, x.registry_token);
  };
  return tie(a) == tie(b);
}

class Store : public engine::Images {
 public:
  Store(StoreOptions options, std::unique_ptr<Records> records, LayerDisk disk, Roots roots, UniqueFd stop)
      : options_(std::move(options)),
        records_(std::move(records)),
        disk_(std::move(disk)),
        roots_(std::move(roots)),
        stop_(std::move(stop)) {}

  ~Store() override {
    raise(stop_);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == 0; });
  }

  Result<void> start();

  Result<engine::ImageRecord> pull(const std::string& reference, const engine::RegistryAuth& auth, const engine::OnProgress& progress,
                                   const std::stop_token& gone) override;
  Result<std::vector<engine::ImageRecord>> load(const std::string& path, const std::string& name, const engine::OnProgress& progress,
                                                const std::stop_token& gone) override;
  Result<engine::ImageRecord> find(const std::string& reference) const override;
  std::vector<engine::ImageRecord> list() const override;
  Result<void> remove(const std::string& reference) override;
  Result<engine::RootLayers> prepare_root(const engine::ImageRecord& image, const std::string& container_id) override;
  Result<std::vector<std::string>> hold(const engine::ImageRecord& image, const std::string& container_id) override;
  Result<engine::RootLayers> root_of(const std::string& container_id) const override;
  Result<void> remove_root(const std::string& container_id) override;
  std::vector<std::string> roots() const override;
  Result<std::string> read_file(const engine::ImageRecord& image, const std::string& path, std::size_t limit) const override {
    return files_.read(image.layers.empty() ? image.id : image.layers.back(), path, limit, [&]() -> Result<std::string> {
      TRY_ASSIGN(const LayerStack stack, LayerStack::open(disk_.directory(), image.layers).context("image {}", image.id));
      return stack.read_file(path, limit).context("image {}", image.id);
    });
  }
  Result<void> check_path(const engine::ImageRecord& image, const std::string& path) const override {
    TRY_ASSIGN(const LayerStack stack, LayerStack::open(disk_.directory(), image.layers).context("image {}", image.id));
    return stack.check_path(path);
  }
  Result<engine::FsUsage> usage() const override;
  Result<engine::FsUsage> root_usage(const std::string& container_id) const override;

 private:
  // Counts who is inside a long call: the store's end waits for them.
  class Guest {
   public:
    explicit Guest(Store& store) : store_(store) {
      const std::lock_guard lock(store_.mutex_);
      ++store_.inside_;
    }
    ~Guest() {
      const std::lock_guard lock(store_.mutex_);
      --store_.inside_;
      store_.changed_.notify_all();
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

   private:
    Store& store_;
  };

  Result<std::vector<engine::ImageRecord>> work(Request request, const engine::OnProgress& progress, FdRef stop);
  Result<std::shared_ptr<InFlight>> join(const std::string& reference, const engine::RegistryAuth& auth, bool& joined);
  Result<engine::ImageRecord> pull_alone(InFlight& flight);
  Result<std::vector<engine::ImageRecord>> record(const Outcome& outcome);
  Result<std::vector<std::string>> directories_of(const std::vector<std::string>& chains) const;
  Result<void> collect(const std::vector<std::string>& candidates);
  void collect_or_warn(const std::vector<std::string>& candidates);

  const StoreOptions options_;
  mutable std::mutex mutex_;            // held while records are synced to the disk
  mutable std::mutex catalogue_mutex_;  // who changes the catalogue holds both: those who only look never wait for the disk
  std::condition_variable changed_;
  std::unique_ptr<Records> records_;
  Catalogue catalogue_;
  LayerDisk disk_;
  Roots roots_;
  mutable FileCache files_;
  UniqueFd stop_;
  std::list<std::shared_ptr<InFlight>> in_flight_;
  int inside_ = 0;
  int working_ = 0;                   // workers that may be about to use any layer
  bool failed_ = false;               // a worker may have left something half done
  std::vector<std::string> unswept_;  // directories of writable layers whose removal failed
  std::set<std::string> garbage_;     // layers that went out of use meanwhile

  // The size of a container's writable layer is a walk through all that it holds, and a container decides how much that is: most of the
  // time what the last walk found is told, with its own time.
  struct Walked {
    Result<engine::FsUsage> usage;
    MonotonicNanos good_until = 0;
  };
  mutable std::map<std::string, Walked> walked_;
};

Result<void> Store::start() {
  TRY_ASSIGN(std::vector<engine::ImageRecord> records, records_->all());
  std::vector<std::string> broken;
  for (engine::ImageRecord& record : records) {
    const auto missing =
        std::find_if(record.layers.begin(), record.layers.end(), [&](const std::string& chain) { return !disk_.has(chain); });
    if (missing == record.layers.end()) {
      catalogue_.put(std::move(record));
      continue;
    }
    log::warn("image store: image {} is dropped, its layer {} is missing: it must be pulled again", record.id, *missing);
    broken.push_back(record.id);
  }
  if (!broken.empty()) TRY(records_->change({}, broken));
  collect_or_warn({});
  return {};
}

// The pull in flight that the caller may join, or a new one.
Result<std::shared_ptr<InFlight>> Store::join(const std::string& reference, const engine::RegistryAuth& auth, bool& joined) {
  const std::lock_guard lock(mutex_);
  for (const auto& other : in_flight_) {
    if (other->wanted == 0 || other->reference != reference || !same(other->auth, auth)) continue;
    ++other->wanted;
    joined = true;
    return other;
  }
  TRY_ASSIGN(UniqueFd stop, make_event());
  const auto flight = std::make_shared<InFlight>();
  flight->reference = reference;
  flight->auth = auth;
  flight->stop = std::move(stop);
  flight->wanted = 1;
  in_flight_.push_back(flight);
  joined = false;
  return flight;
}

Result<engine::ImageRecord> Store::pull(const std::string& reference, const engine::RegistryAuth& auth, const engine::OnProgress& progress,
                                        const std::stop_token& gone) {
  const fault::Operation operation("PullImage");
  const Guest guest(*this);
  TRY_ASSIGN(const Reference parsed, parse_reference(reference));
  if (gone.stop_requested()) return fail(Code::cancelled, "nobody waits for it any more");
  bool joined = false;
  TRY_ASSIGN(const std::shared_ptr<InFlight> flight, join(parsed.canonical(), auth, joined));
  const std::stop_callback leave(gone, [&] {  // on the thread of whoever says so
    const std::lock_guard lock(mutex_);
    if (--flight->wanted == 0) raise(flight->stop);
    changed_.notify_all();
  });
  const Listening listening(*flight, progress);
  if (joined) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return flight->result.has_value() || gone.stop_requested(); });
    if (!flight->result) return fail(Code::cancelled, "its caller has gone, others wait for it");
    return *flight->result;
  }
  const MonotonicNanos begun = now_monotonic();
  auto result = pull_alone(*flight);
  if (result.ok()) tell("image pulled", result.value(), flight->reference, begun);
  const std::lock_guard lock(mutex_);
  flight->result = result;
  in_flight_.remove(flight);
  changed_.notify_all();
  return result;
}

Result<engine::ImageRecord> Store::pull_alone(InFlight& flight) {
  Request request;
  request.operation = "pull";
  request.reference = flight.reference;
  request.auth = flight.auth;
  TRY_ASSIGN(std::vector<engine::ImageRecord> records,
             work(
                 std::move(request), [&](const engine::Progress& progress) { flight.tell(progress); }, flight.stop));
  if (records.size() != 1) return fail(Code::internal, "slipway-image: {} images for one pull", records.size());
  return std::move(records.front());
}

Result<std::vector<engine::ImageRecord>> Store::load(const std::string& path, const std::string& name, const engine::OnProgress& progress,
                                                     const std::stop_token& gone) {
  const Guest guest(*this);
  TRY_ASSIGN(const UniqueFd stop, make_event());
  const std::stop_callback leave(gone, [&] { raise(stop); });
  Request request;
  request.operation = "load";
  request.path = path;
  request.reference = name;
  const MonotonicNanos begun = now_monotonic();
  auto loaded = work(std::move(request), progress, stop);
  if (loaded.ok())
    for (const engine::ImageRecord& image : loaded.value()) tell("image loaded", image, path, begun);
  return loaded;
}

Result<std::vector<engine::ImageRecord>> Store::work(Request request, const engine::OnProgress& progress, FdRef stop) {
  request.root = options_.root;
  request.insecure_registries = options_.insecure_registries;
  request.ca_file = options_.ca_file;
  request.signature_policy = options_.signature_policy;
  request.limits = options_.limits;
  {
    const std::lock_guard lock(mutex_);
    ++working_;  // from here on no layer is deleted: the worker may find it and build on it
  }
  const auto outcome = run_worker({options_.worker_program, options_.worker_environment}, request, progress, {stop_, stop});
  auto result = outcome.ok() ? record(outcome.value()) : Result<std::vector<engine::ImageRecord>>(outcome.error());
  {
    const std::lock_guard lock(mutex_);
    --working_;
    failed_ = failed_ || !result.ok();
  }
  collect_or_warn({});
  return result;
}

Result<std::vector<engine::ImageRecord>> Store::record(const Outcome& outcome) {
  std::vector<engine::ImageRecord> out;
  const std::lock_guard lock(mutex_);
  for (const PulledImage& image : outcome.images) {
    TRY(disk_.learn(image.layers).context("image {}", image.id));
    std::vector<engine::ImageRecord> changed = catalogue_.merge(image, now_realtime());
    TRY(records_->change(changed, {}).context("record image {}", image.id));
    out.push_back(changed.back());
    const std::lock_guard readers(catalogue_mutex_);
    for (engine::ImageRecord& each : changed) catalogue_.put(std::move(each));
  }
  return out;
}

Result<engine::ImageRecord> Store::find(const std::string& reference) const {
  const std::lock_guard lock(catalogue_mutex_);
  return catalogue_.find(reference);
}

std::vector<engine::ImageRecord> Store::list() const {
  const std::lock_guard lock(catalogue_mutex_);
  std::vector<engine::ImageRecord> out;
  for (const auto& [id, record] : catalogue_.records()) out.push_back(record);
  return out;
}

Result<void> Store::remove(const std::string& reference) {
  const fault::Operation operation("RemoveImage");
  std::vector<std::string> layers;
  {
    const std::lock_guard lock(mutex_);
    const auto found = catalogue_.find(reference);
    if (!found.ok() && found.error().code != Code::not_found) return found.error();
    if (found.ok()) {  // else it may be a repetition of one whose layers could not be deleted
      layers = found.value().layers;
      TRY(records_->change({}, {found.value().id}).context("remove image {}", found.value().id));
      const std::lock_guard readers(catalogue_mutex_);
      catalogue_.remove(found.value().id);
    }
  }
  return collect(layers).context("remove image '{}'", reference);
}

// Deletes layers that neither a record nor a root names. While a worker runs they wait: it may build on any of them.
Result<void> Store::collect(const std::vector<std::string>& candidates) {
  std::vector<std::string> leftovers;
  {
    const std::lock_guard lock(mutex_);
    garbage_.insert(candidates.begin(), candidates.end());
    if (working_ > 0) return {};
    if (std::exchange(failed_, false)) leftovers = disk_.rescan();
    std::set<std::string> kept = catalogue_.referenced();
    for (const auto& [id, layers] : roots_.used()) kept.insert(layers.chains.begin(), layers.chains.end());
    const std::vector<std::string> unused = disk_.detach(kept, garbage_);
    leftovers.insert(leftovers.end(), unused.begin(), unused.end());
    if (!leftovers.empty()) files_.layers_go();
    garbage_.clear();
  }
  Result<void> swept = disk_.sweep(leftovers);
  if (swept.ok()) return {};
  const std::lock_guard lock(mutex_);
  failed_ = true;  // the next one finds them
  return swept;
}

void Store::collect_or_warn(const std::vector<std::string>& candidates) {
  if (const auto collected = collect(candidates); !collected.ok()) log::warn("{}", collected.error().message);
}

// Topmost first; under the lock.
Result<std::vector<std::string>> Store::directories_of(const std::vector<std::string>& chains) const {
  if (chains.empty()) return std::vector{options_.root + "/" + kEmptyDirectory};  // overlayfs wants one
  std::vector<std::string> out;
  for (auto chain = chains.rbegin(); chain != chains.rend(); ++chain) {
    if (!disk_.has(*chain)) return fail(Code::not_found, "its layer {} is not here any more", *chain);
    out.push_back(fmt::format("{}/{}/{}/{}", options_.root, kLayersDirectory, *chain, kLayerFs));
  }
  return out;
}

Result<engine::RootLayers> Store::prepare_root(const engine::ImageRecord& image, const std::string& container_id) {
  TRY(check_name("container id", container_id));
  if (container_id.find(kTemporary) != std::string::npos)
    return fail(Code::invalid_argument, "container id '{}' is not usable", container_id);
  const std::lock_guard lock(mutex_);
  engine::RootLayers out;
  TRY_ASSIGN(out.lower, directories_of(image.layers).context("image {}", image.id));
  const Owner* const top = image.layers.empty() ? nullptr : &disk_.owner(image.layers.back());
  TRY(roots_.prepare(container_id, image.layers, top).context("root of container '{}'", container_id));
  out.upper = roots_.upper(container_id);
  out.work = roots_.work(container_id);
  return out;
}

Result<std::vector<std::string>> Store::hold(const engine::ImageRecord& image, const std::string& container_id) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(std::vector<std::string> lower, directories_of(image.layers).context("image {}", image.id));
  TRY(roots_.hold(container_id, image.layers));
  // An overlay without an upper layer wants two lower ones; a bind would show whiteouts, and take no SELinux label.
  if (image.layers.size() == 1) lower.push_back(options_.root + "/" + kEmptyDirectory);
  return lower;
}

Result<engine::RootLayers> Store::root_of(const std::string& container_id) const {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const std::vector<std::string> chains, roots_.own(container_id));
  engine::RootLayers out;
  TRY_ASSIGN(out.lower, directories_of(chains));
  out.upper = roots_.upper(container_id);
  out.work = roots_.work(container_id);
  return out;
}

Result<void> Store::remove_root(const std::string& container_id) {
  TRY(check_name("container id", container_id));
  std::vector<std::string> leftovers;
  std::vector<std::string> layers;
  {
    const std::lock_guard lock(mutex_);
    if (const auto used = roots_.used().find(container_id); used != roots_.used().end()) layers = used->second.chains;
    walked_.erase(container_id);
    TRY_ASSIGN(std::string leftover, roots_.detach(container_id));
    leftovers = std::exchange(unswept_, {});
    leftovers.push_back(std::move(leftover));
  }
  for (auto at = leftovers.begin(); at != leftovers.end(); ++at) {
    Result<void> swept = roots_.sweep(*at).context("remove the root of container '{}'", container_id);
    if (swept.ok()) continue;
    // Nobody finds it by its id any more: the next call takes it along, at the latest the next slipwayd.
    const std::lock_guard lock(mutex_);
    unswept_.insert(unswept_.end(), at, leftovers.end());
    return swept;
  }
  collect_or_warn(layers);
  return {};
}

std::vector<std::string> Store::roots() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [id, layers] : roots_.used()) out.push_back(id);
  return out;
}

Result<engine::FsUsage> Store::usage() const {
  const std::lock_guard lock(mutex_);
  const LayerInfo total = disk_.total();
  engine::FsUsage out;
  out.timestamp = now_realtime();
  out.mountpoint = options_.root;
  out.used_bytes = total.bytes;
  out.inodes_used = total.inodes;
  return out;
}

Result<engine::FsUsage> Store::root_usage(const std::string& container_id) const {
  TRY(check_name("container id", container_id));
  const MonotonicNanos begun = now_monotonic();
  {
    const std::lock_guard lock(mutex_);
    if (const auto last = walked_.find(container_id); last != walked_.end() && begun < last->second.good_until) return last->second.usage;
  }
  auto usage = roots_.usage(container_id);
  const MonotonicNanos end = now_monotonic();
  const std::lock_guard lock(mutex_);
  if (roots_.used().contains(container_id)) walked_.insert_or_assign(container_id, Walked{usage, end + kRest * (end - begun)});
  return usage;
}

}  // namespace

Result<std::unique_ptr<engine::Images>> open_store(StoreOptions options) {
  if (options.root.empty() || options.root.front() != '/')
    return fail(Code::invalid_argument, "image store: its root must be an absolute path");
  TRY_ASSIGN(const UniqueFd root, make_root(options.root));
  TRY_ASSIGN(std::unique_ptr<Records> records, Records::open(options.root + "/images.db").context("{}/images.db", options.root));
  TRY_ASSIGN(UniqueFd layers, sys::open_at(root, kLayersDirectory, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(LayerDisk disk, LayerDisk::open(std::move(layers)).context("{}/layers", options.root));
  TRY_ASSIGN(UniqueFd containers, sys::open_at(root, kContainersDirectory, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(Roots roots,
             Roots::open(std::move(containers), options.root + "/" + kContainersDirectory).context("{}/containers", options.root));
  TRY_ASSIGN(UniqueFd stop, make_event());
  auto store = std::make_unique<Store>(std::move(options), std::move(records), std::move(disk), std::move(roots), std::move(stop));
  TRY(store->start().context("image store"));
  return std::unique_ptr<engine::Images>(std::move(store));
}

}  // namespace slipway::image
