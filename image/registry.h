// Talks to one registry about one repository: OCI distribution specification 1.1, the pulling half.
//
// Credentials and tokens go to the registry's own origin, and to the token service it names, nowhere else: not to where it redirects,
// and `urls` of descriptors are never used (CVE-2020-15157). HTTPS always, but for loopback hosts and those listed as insecure, where
// plain HTTP is tried when TLS does not answer. Thread-safe; each thread brings its own HttpClient.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/auth.h"
#include "image/http.h"
#include "image/reference.h"
#include "oci/image_spec.h"

namespace slipway::image {

struct RegistryOptions {
  engine::RegistryAuth auth;
  std::vector<std::string> insecure;  // host[:port] of registries
  HttpOptions http;
};

struct Document {
  std::string media_type, digest, text;
};

class Registry {
 public:
  static Result<Registry> open(Reference reference, RegistryOptions options);
  Registry(Registry&& other) noexcept;

  HttpOptions http_options() const { return options_.http; }

  // The manifest or index that a tag or a digest means; verified against the digest where one was asked for.
  Result<Document> manifest(HttpClient& client, const std::string& tag_or_digest);

  // The bytes of a blob in order, each once: an interrupted transfer goes on where it stopped. Length and digest are verified by
  // the end; an error after the sink saw bytes means that they must not be used.
  Result<void> blob(HttpClient& client, const oci::Descriptor& descriptor, const Sink& sink);

 private:
  Registry(Reference reference, RegistryOptions options) : reference_(std::move(reference)), options_(std::move(options)) {}

  using OnHead = HttpClient::OnHead;
  Result<HttpReply> get(HttpClient& client, const std::string& path, const std::vector<std::string>& headers, const Sink& sink,
                        const OnHead& on_head);
  Result<HttpReply> try_get(HttpClient& client, const std::string& path, const std::vector<std::string>& headers, const Sink& sink,
                            const OnHead& on_head, bool& again);
  Result<HttpReply> exchange(HttpClient& client, std::string url, const std::vector<std::string>& headers, const Sink& sink,
                             const OnHead& on_head, bool& again);
  Result<void> authorize(HttpClient& client, const HttpReply& reply, const std::string& used);
  Result<std::string> fetch_token(HttpClient& client, const Challenge& challenge);
  Result<void> check_transport(const std::string& url) const;
  bool listed(const std::string& origin) const;         // certificates need not be good
  bool plain_allowed(const std::string& origin) const;  // loopback or listed
  std::string base() const;
  std::string authorization() const;
  Error refused(const HttpReply& reply, const std::string& path) const;

  Reference reference_;
  RegistryOptions options_;
  Credentials credentials_;
  std::string host_;
  mutable std::mutex mutex_;
  std::string scheme_ = "https";
  bool scheme_known_ = false;
  std::string authorization_;  // the header's value; empty = none yet
};

}  // namespace slipway::image
