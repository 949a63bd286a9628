// A CRI server as the bench drives it: the calls of one pod's life, each with the time that it took.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cri/v1/api.grpc.pb.h"

namespace bench {

// Milliseconds of each call by its name, one per round.
using Samples = std::map<std::string, std::vector<double>>;

class Client {
 public:
  Client(std::string name, const std::string& address, std::string image, std::string log_root);

  const std::string& name() const { return name_; }
  const std::string& socket() const { return socket_; }
  pid_t daemon() const;  // who listens on the socket

  void pull();
  // A pod with one container from its start to its removal; every call's time goes into `samples`.
  void round(int number, Samples& samples);
  // A pod without containers, until `drop_pod`.
  std::string make_pod(int number);
  void drop_pod(const std::string& id);

 private:
  template <class Request, class Response>
  using Call = grpc::Status (runtime::v1::RuntimeService::Stub::*)(grpc::ClientContext*, const Request&, Response*);

  // Ends the program with a message when the call fails: a bench with failures has no result.
  template <class Request, class Response>
  Response call(const char* what, Call<Request, Response> method, const Request& request, Samples* samples = nullptr);

  runtime::v1::PodSandboxConfig pod_config(int number) const;
  runtime::v1::ContainerConfig container_config() const;

  std::string name_, socket_, image_, log_root_;
  std::string image_id_;
  std::unique_ptr<runtime::v1::RuntimeService::Stub> runtime_;
  std::unique_ptr<runtime::v1::ImageService::Stub> images_;
};

}  // namespace bench
