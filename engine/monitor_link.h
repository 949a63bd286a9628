// slipwayd's side of the protocol with pods' monitors: starting one, connecting (also to one that an older slipwayd started), calling it.
//
// Any thread. One reader thread serves all monitors; it hands replies to their waiting callers and calls the callbacks.
//
//   MonitorReader ── reader thread, epoll over all links
//     MonitorLink (one per pod) ── call(): caller's thread sends, sleeps until the reader has the reply with its id
//
// Adoption: connect() to the same socket again with the last recorded sequence; Welcome tells what is there, later events follow.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/monitors.h"
#include "slipway/monitor.pb.h"

namespace slipway::engine {

class MonitorLink;

class MonitorReader {
 public:
  static Result<std::unique_ptr<MonitorReader>> start();
  MonitorReader(const MonitorReader&) = delete;
  MonitorReader& operator=(const MonitorReader&) = delete;
  ~MonitorReader();  // stops the thread; links that are left are closed, monitors go on

 private:
  friend class MonitorLink;
  MonitorReader() = default;
  Result<void> add(const std::shared_ptr<MonitorLink>& link);
  void remove(MonitorLink& link);
  void run();

  UniqueFd epoll_;
  UniqueFd stop_;  // eventfd
  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, std::weak_ptr<MonitorLink>> links_;
  std::thread thread_;
};

struct MonitorCallbacks {
  // Both on the reader thread: short, and no call() from them. Events may come before connect() has returned.
  std::function<void(const monitor::Event&)> on_event;
  // The connection ended without close(): the monitor died, or another controller took over. Called once.
  std::function<void(const Error&)> on_lost;
};

class MonitorLink : public std::enable_shared_from_this<MonitorLink> {
 public:
  // Says Hello and waits for Welcome. unavailable: nobody listens there (the monitor is dead).
  static Result<std::shared_ptr<MonitorLink>> connect(MonitorReader& reader, const std::string& socket_path, std::uint64_t last_sequence,
                                                      MonitorCallbacks callbacks, std::chrono::milliseconds timeout);
  MonitorLink(const MonitorLink&) = delete;
  MonitorLink& operator=(const MonitorLink&) = delete;
  ~MonitorLink();

  const monitor::Welcome& welcome() const { return welcome_; }

  // Sends (the id is set here) and waits. The monitor's refusal comes as the Error it sent; unavailable when the connection ends before
  // the reply (whether the request was carried out is then told by the next Welcome), deadline_exceeded after `timeout`: the request
  // goes on, its reply is dropped. Descriptors are borrowed.
  Result<MonitorReply> call(monitor::Request request, std::span<const int> fds, std::chrono::milliseconds timeout);

  // Events up to this one are recorded. Does not wait for an answer.
  Result<void> acknowledge(std::uint64_t sequence);

  // No more callbacks once this has returned, unless it is called from one.
  void close();
  bool lost() const;

 private:
  struct Waiter {
    std::condition_variable done;
    bool ready = false;
    MonitorReply reply;
  };
  friend class MonitorReader;

  MonitorLink(MonitorReader& reader, UniqueFd socket, MonitorCallbacks callbacks)
      : reader_(reader), socket_(std::move(socket)), callbacks_(std::move(callbacks)) {}
  void on_readable();
  void on_reply(monitor::Reply reply, std::vector<UniqueFd> fds);
  void lose(const Error& error);
  void end();  // close() without the wait for a callback
  Result<void> send(const monitor::Request& request, std::span<const int> fds);

  MonitorReader& reader_;
  const UniqueFd socket_;  // open until the last owner is gone, so that its number is nobody else's
  MonitorCallbacks callbacks_;
  std::uint64_t key_ = 0;  // in the reader
  monitor::Welcome welcome_;
  std::mutex calling_back_;  // held by the reader while a callback runs
  mutable std::mutex mutex_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Waiter*> waiters_;
  bool ended_ = false;  // closed or lost
  bool lost_ = false;
};

// The program slipway-monitor, opened once: spawning runs it through a detached read-only clone of its mount, so that nobody who gets hold
// of /proc/PID/exe can change it (CVE-2019-5736).
class MonitorProgram {
 public:
  static Result<MonitorProgram> open(const std::string& path);

  // Starts a monitor and waits until its pod is there. On error nothing is left of it. The monitor is no child of ours afterwards.
  // config.directory must exist (0700).
  Result<monitor::Welcome> spawn(const monitor::PodConfig& config, std::chrono::milliseconds timeout) const;

 private:
  explicit MonitorProgram(UniqueFd handle) : handle_(std::move(handle)) {}
  UniqueFd handle_;
};

}  // namespace slipway::engine
