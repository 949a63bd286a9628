// Calling monitors and reading what they say.
#include "engine/monitor_link.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/fault.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kMaxPacket = 64 * 1024;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kStopKey = 0;

}  // namespace

Result<std::unique_ptr<MonitorReader>> MonitorReader::start() {
  std::unique_ptr<MonitorReader> reader(new MonitorReader);
  reader->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  reader->stop_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!reader->epoll_ || !reader->stop_) return fail_errno(errno, "make the monitors' epoll");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kStopKey;
  if (::epoll_ctl(reader->epoll_.get(), EPOLL_CTL_ADD, reader->stop_.get(), &event) != 0) return fail_errno(errno, "watch an eventfd");
  reader->thread_ = std::thread([at = reader.get()] { at->run(); });
  return reader;
}

MonitorReader::~MonitorReader() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

Result<void> MonitorReader::add(const std::shared_ptr<MonitorLink>& link) {
  const std::lock_guard lock(mutex_);
  link->key_ = next_++;
  links_.emplace(link->key_, link);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = link->key_;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, link->socket_.get(), &event) == 0) return {};
  links_.erase(link->key_);
  return fail_errno(errno, "watch a monitor");
}

void MonitorReader::remove(MonitorLink& link) {
  const std::lock_guard lock(mutex_);
  if (links_.erase(link.key_) > 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link.socket_.get(), nullptr);
}

void MonitorReader::run() {
  std::array<epoll_event, 64> events;
  for (;;) {
    const int n = sys::retry_eintr([&] { return ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1); });
    for (int i = 0; i < n; ++i) {
      const std::uint64_t key = events[static_cast<std::size_t>(i)].data.u64;
      if (key == kStopKey) return;
      std::shared_ptr<MonitorLink> link;
      {
        const std::lock_guard lock(mutex_);
        const auto at = links_.find(key);
        if (at != links_.end()) link = at->second.lock();
      }
      if (link != nullptr) link->on_readable();
    }
  }
}

Result<std::shared_ptr<MonitorLink>> MonitorLink::connect(MonitorReader& reader, const std::string& socket_path,
                                                          std::uint64_t last_sequence, MonitorCallbacks callbacks,
                                                          std::chrono::milliseconds timeout) {
  auto socket = sys::connect_unix(socket_path, SOCK_SEQPACKET);
  if (!socket.ok()) {
    Error error = std::move(socket).error();
    if (error.sys_errno == ECONNREFUSED || error.sys_errno == ENOENT) error.code = Code::unavailable;
    return error;
  }
  std::shared_ptr<MonitorLink> link(new MonitorLink(reader, std::move(socket).take(), std::move(callbacks)));
  TRY(reader.add(link));
  monitor::Request request;
  request.mutable_hello()->set_version(kVersion);
  request.mutable_hello()->set_last_sequence(last_sequence);
  auto reply = link->call(std::move(request), {}, timeout);
  if (!reply.ok()) {
    link->end();  // no wait: on_lost may be running, and waiting for us
    // Somebody listened: whether it has ended since, the next try finds out.
    if (reply.error().code == Code::unavailable) reply.error().code = Code::aborted;
    return std::move(reply).error().within("greet the monitor at '{}'", socket_path);
  }
  link->welcome_ = std::move(*reply.value().reply.mutable_welcome());
  return link;
}

MonitorLink::~MonitorLink() {
  reader_.remove(*this);
}

bool MonitorLink::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

Result<void> MonitorLink::send(const monitor::Request& request, std::span<const int> fds) {
  monitor::Packet packet;
  *packet.mutable_request() = request;
  const std::string data = packet.SerializeAsString();
  if (data.size() > kMaxPacket) return fail(Code::invalid_argument, "a request of {} bytes: monitors take {}", data.size(), kMaxPacket);
  auto sent = sys::send_packet(socket_, data, fds);
  if (sent.ok()) return {};
  Error error = std::move(sent).error();
  if (error.sys_errno == EPIPE || error.sys_errno == ECONNRESET || error.sys_errno == ENOTCONN) error.code = Code::unavailable;
  return error;
}

Result<MonitorReply> MonitorLink::call(monitor::Request request, std::span<const int> fds, std::chrono::milliseconds timeout) {
  TRY(fault::point("ask a monitor"));
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  Waiter waiter;
  std::unique_lock lock(mutex_);
  if (ended_) return fail(Code::unavailable, "the connection to the monitor has ended");
  request.set_id(next_id_++);
  waiters_.emplace(request.id(), &waiter);
  lock.unlock();
  auto sent = send(request, fds);
  lock.lock();
  if (sent.ok()) waiter.done.wait_until(lock, deadline, [&waiter, this] { return waiter.ready || ended_; });
  waiters_.erase(request.id());
  if (!sent.ok()) return std::move(sent).error();
  if (!waiter.ready && ended_) return fail(Code::unavailable, "the connection to the monitor has ended");
  if (!waiter.ready) return fail(Code::deadline_exceeded, "the monitor did not answer within {} ms", timeout.count());
  TRY(fault::point("a monitor's answer"));
  if (waiter.reply.reply.code() != 0) return Error{static_cast<Code>(waiter.reply.reply.code()), 0, waiter.reply.reply.message()};
  return std::move(waiter.reply);
}

Result<void> MonitorLink::acknowledge(std::uint64_t sequence) {
  monitor::Request request;  // id 0: its reply finds no waiter
  request.mutable_ack()->set_sequence(sequence);
  return send(request, {});
}

void MonitorLink::end() {
  reader_.remove(*this);
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (const auto& [id, waiter] : waiters_) waiter->done.notify_all();
  }
  (void)::shutdown(socket_.get(), SHUT_RDWR);
}

void MonitorLink::close() {
  end();
  // A callback that is running now ends first.
  if (std::this_thread::get_id() != reader_.thread_.get_id()) const std::lock_guard wait(calling_back_);
}

void MonitorLink::on_readable() {
  auto packet = sys::receive_packet(socket_, kMaxPacket, false);
  if (!packet.ok() && packet.error().sys_errno == EAGAIN) return;
  // A monitor that ends with an acknowledgement of ours unread resets the connection: that is told first, and once; what it
  // sent before (the reply to Shutdown) comes after.
  if (!packet.ok() && packet.error().sys_errno == ECONNRESET) packet = sys::receive_packet(socket_, kMaxPacket, false);
  if (!packet.ok()) return lose(packet.error());
  if (packet.value().eof) return lose(fail(Code::unavailable, "the monitor closed the connection"));
  monitor::Packet what;
  if (!what.ParseFromString(packet.value().data)) return lose(fail(Code::data_loss, "the monitor sent what is no packet"));
  if (what.has_reply()) return on_reply(std::move(*what.mutable_reply()), std::move(packet.value().fds));
  if (!what.has_event() || !callbacks_.on_event) return;
  const std::lock_guard calling(calling_back_);
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
  }
  callbacks_.on_event(what.event());
}

void MonitorLink::on_reply(monitor::Reply reply, std::vector<UniqueFd> fds) {
  const std::lock_guard lock(mutex_);
  const auto at = waiters_.find(reply.id());
  if (at == waiters_.end()) return;  // its caller gave up: the descriptors close here
  at->second->reply = MonitorReply{std::move(reply), std::move(fds)};
  at->second->ready = true;
  at->second->done.notify_all();
}

void MonitorLink::lose(const Error& error) {
  reader_.remove(*this);
  const std::lock_guard calling(calling_back_);
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = lost_ = true;
    for (const auto& [id, waiter] : waiters_) waiter->done.notify_all();
  }
  if (callbacks_.on_lost) callbacks_.on_lost(error);
}

}  // namespace slipway::engine
