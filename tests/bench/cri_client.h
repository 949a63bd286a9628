// A CRI server as the bench drives it: the calls of one pod's life, each with the time that it took.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cri/v1/api.grpc.pb.h"
#include "slipway/admin.grpc.pb.h"

namespace bench {

// Milliseconds of each call by its name, one per round.
using Samples = std::map<std::string, std::vector<double>>;

class Client {
 public:
  Client(std::string name, const std::string& address, std::string image, std::string log_root);

  const std::string& name() const { return name_; }
  const std::string& socket() const { return socket_; }
  pid_t daemon() const;  // who listens on the socket

  // The image, which is removed first where it was pulled before.
  void pull(Samples& samples);
  // A pod with one container from its start to its removal; every call's time goes into `samples`.
  void round(int number, Samples& samples);
  // A pod without containers, until `drop_pod`.
  std::string make_pod(int number);
  void drop_pod(const std::string& id);
  // A running container in that pod.
  std::string make_container(const std::string& pod, int pod_number, int number);
  struct Running {
    std::string pod;
    std::vector<std::string> containers;
  };
  // Pods with running containers, by `hands` callers at a time, until `drop`. One that fails is removed and made again, as a kubelet does;
  // how often that was tells `failures`.
  std::vector<Running> fill(int first, int pods, int containers_each, int hands);
  void drop(const std::vector<Running>& pods, int hands);
  int failures() const { return failures_; }
  // The calls that only ask, by name; each goes on record in `samples`, which outlives them.
  std::vector<std::pair<std::string, std::function<void()>>> questions(const Running& about, Samples& samples);
  // `count` pods at once, each with a running container, then all stopped and removed at once: milliseconds until the last call has come
  // back.
  void crowd(int first, int count, Samples& samples);
  // `true` in each of them once, by `hands` callers at a time, as exec probes come.
  void probe(const std::vector<std::string>& containers, int hands);

 private:
  template <class Request, class Response>
  using Call = grpc::Status (runtime::v1::RuntimeService::Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <class Request, class Response>
  std::optional<Response> try_call(const char* what, Call<Request, Response> method, const Request& request, Samples* samples = nullptr);
  std::optional<std::string> try_container(const std::string& pod, int pod_number, int number);
  bool fill_one(Running& out, int number, int containers_each);

  // Ends the program with a message when the call fails: a bench with failures has no result.
  template <class Request, class Response>
  Response call(const char* what, Call<Request, Response> method, const Request& request, Samples* samples = nullptr);

  void stop_container(const std::string& id, Samples* samples = nullptr);
  void note_plugins(const std::string& pod, Samples& samples);
  void probe_one(const std::string& container);
  runtime::v1::PodSandboxConfig pod_config(int number) const;
  runtime::v1::ContainerConfig container_config() const;

  std::string name_, socket_, image_, log_root_;
  std::string image_id_;
  std::atomic<int> failures_ = 0;
  std::unique_ptr<runtime::v1::RuntimeService::Stub> runtime_;
  std::unique_ptr<runtime::v1::ImageService::Stub> images_;
  std::unique_ptr<slipway::admin::Admin::Stub> admin_;
};

}  // namespace bench
