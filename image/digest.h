// SHA-256 and SHA-512 of streams, as "sha256:…" texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct evp_md_ctx_st;

namespace slipway::image {

class Hasher {
 public:
  // "sha256" or "sha512", or any digest text that begins so.
  explicit Hasher(std::string_view algorithm = "sha256");
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void add(std::string_view bytes);
  std::string finish();  // "sha256:<hex>"; once

 private:
  evp_md_ctx_st* context_;
  std::string name_;
};

std::string digest_of(std::string_view bytes, std::string_view algorithm = "sha256");

// data_loss naming both where `bytes` is not what `expected` says.
Result<void> verify_digest(std::string_view what, std::string_view bytes, std::string_view expected);

// Chain ids (image-spec config.md) without "sha256:" of each layer, base first.
std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids);

}  // namespace slipway::image
