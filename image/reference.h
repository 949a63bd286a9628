// Names of images as people and the kubelet write them, made whole: "nginx" is docker.io/library/nginx:latest.
//
// The grammar is that of the distribution project's reference package, which Kubernetes itself uses. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::image {

struct Reference {
  std::string domain;      // "docker.io", "localhost:5000", "[::1]:5000"
  std::string repository;  // "library/nginx"
  std::string tag;         // "latest" where neither tag nor digest was written; empty where only a digest was
  std::string digest;      // "sha256:…" or empty

  std::string name() const { return domain + "/" + repository; }
  std::string repo_tag() const;                                     // name:tag; empty with a digest, as the kubelet expects
  std::string repo_digest(std::string_view manifest_digest) const;  // name@digest
  std::string canonical() const;                                    // name[:tag][@digest]
};

// invalid_argument where `text` is no reference, also for 64 bare hex digits: those are an image's id.
Result<Reference> parse_reference(std::string_view text);

// "sha256:" and 64 or "sha512:" and 128 lower-case hex digits: the algorithms the image specification registers.
bool is_digest(std::string_view text);
bool is_hex(std::string_view text);  // lower-case, any length but 0

// Host and port that speak for a domain: docker.io's registry lives elsewhere.
std::string registry_host(std::string_view domain);

// localhost, 127.0.0.0/8 and [::1], with or without a port.
bool is_loopback_host(std::string_view host_and_port);

}  // namespace slipway::image
