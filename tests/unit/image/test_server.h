// A scripted HTTP server on loopback, and an image for it to serve: what registries do, and what hostile ones do.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "image/digest.h"
#include "oci/image_spec.h"
#include "tests/unit/image/make_tar.h"

namespace slipway::test {

struct ServedRequest {
  std::string method, target, head, body;
  std::string header(const std::string& name) const {  // "" where absent
    const auto at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

struct ServedReply {
  int status = 200;
  std::vector<std::string> headers;
  std::string body;
  std::size_t cut = SIZE_MAX;  // closes after so many bytes of the body, though Content-Length promises all
};

class TestServer {
 public:
  using Handler = std::function<ServedReply(const ServedRequest&)>;

  explicit TestServer(Handler handler) : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_.get(), 16) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("listen");
    port_ = ntohs(address.sin_port);
    accepter_ = std::thread([this] { accept_all(); });
  }
  ~TestServer() {
    (void)::shutdown(listener_.get(), SHUT_RDWR);
    accepter_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const UniqueFd& connection : connections_) (void)::shutdown(connection.get(), SHUT_RDWR);
    }
    for (std::thread& server : servers_) server.join();
  }

  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::vector<ServedRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    for (;;) {
      UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      const std::lock_guard lock(mutex_);
      connections_.push_back(std::move(connection));
      const int fd = connections_.back().get();
      servers_.emplace_back([this, fd] { serve(fd); });
    }
  }
  void serve(int fd) {
    std::string pending;
    char buffer[4096];
    for (;;) {
      auto end = pending.find("\r\n\r\n");
      while (end == std::string::npos) {
        const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0 || (pending.empty() && buffer[0] == 0x16)) return (void)::shutdown(fd, SHUT_RDWR);  // 0x16: somebody tries TLS
        pending.append(buffer, static_cast<std::size_t>(n));
        end = pending.find("\r\n\r\n");
      }
      ServedRequest request;
      request.head = pending.substr(0, end + 2);
      pending.erase(0, end + 4);
      request.method = request.head.substr(0, request.head.find(' '));
      request.target = request.head.substr(request.method.size() + 1);
      request.target.resize(request.target.find(' '));
      const std::string length = request.header("Content-Length");
      for (const std::size_t wanted = length.empty() ? 0 : std::stoul(length); pending.size() < wanted;) {
        const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0) return;
        pending.append(buffer, static_cast<std::size_t>(n));
      }
      if (!length.empty()) request.body = std::exchange(pending, std::string()).substr(0, std::stoul(length));
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const ServedReply reply = handler_(request);
      std::string text =
          "HTTP/1.1 " + std::to_string(reply.status) + " Status\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\n";
      for (const std::string& header : reply.headers) text += header + "\r\n";
      text += "\r\n" + reply.body.substr(0, reply.cut);
      for (std::size_t sent = 0; sent < text.size();) {
        const ssize_t n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<std::size_t>(n);
      }
      if (reply.cut < reply.body.size()) return (void)::shutdown(fd, SHUT_RDWR);
    }
  }

  Handler handler_;
  UniqueFd listener_;
  unsigned short port_ = 0;
  mutable std::mutex mutex_;
  std::list<UniqueFd> connections_;
  std::list<std::thread> servers_;
  std::vector<ServedRequest> requests_;
  std::thread accepter_;
};

// Manifest, configuration and layers of an image, by digest.
struct TestImage {
  std::map<std::string, std::string> blobs;
  std::string manifest, manifest_digest, id;
  std::vector<std::string> layer_digests;

  explicit TestImage(const std::vector<std::string>& layers, const std::string& config = "{\"Cmd\":[\"/x\"]}") {
    std::string diff_ids, descriptors;
    for (const std::string& layer : layers) {
      const std::string digest = add(layer);
      layer_digests.push_back(digest);
      diff_ids += (diff_ids.empty() ? "\"" : ",\"") + digest + "\"";
      descriptors += std::string(descriptors.empty() ? "" : ",") +
                     "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"" + digest +
                     "\",\"size\":" + std::to_string(layer.size()) + "}";
    }
    const std::string text = "{\"os\":\"linux\",\"architecture\":\"" + std::string(oci::host_architecture()) + "\",\"config\":" + config +
                             ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + diff_ids + "]}}";
    id = add(text);
    manifest = "{\"schemaVersion\":2,\"mediaType\":\"" + std::string(oci::kMediaOciManifest) + "\",\"config\":{\"mediaType\":\"" +
               std::string(oci::kMediaOciConfig) + "\",\"digest\":\"" + id + "\",\"size\":" + std::to_string(text.size()) +
               "},\"layers\":[" + descriptors + "]}";
    manifest_digest = add(manifest);
  }
  std::string add(const std::string& bytes) {
    std::string digest = image::digest_of(bytes);
    blobs[digest] = bytes;
    return digest;
  }
  // What an honest registry says.
  ServedReply serve(const ServedRequest& request) const {
    if (request.target.find("/manifests/") != std::string::npos)
      return {200, {"Content-Type: " + std::string(oci::kMediaOciManifest)}, manifest};
    const auto at = request.target.rfind('/');
    const auto blob = blobs.find(request.target.substr(at + 1));
    if (blob == blobs.end()) return {404, {}, "{\"errors\":[{\"message\":\"blob unknown\"}]}"};
    return {200, {}, blob->second};
  }
};

}  // namespace slipway::test
