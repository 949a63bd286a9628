// Digests by OpenSSL, which knows the processor's instructions for them.
#include "image/digest.h"

#include <openssl/evp.h>

namespace slipway::image {

Hasher::Hasher(std::string_view algorithm) : context_(EVP_MD_CTX_new()), name_(algorithm.starts_with("sha512") ? "sha512" : "sha256") {
  EVP_DigestInit_ex(context_, name_ == "sha512" ? EVP_sha512() : EVP_sha256(), nullptr);
}

Hasher::~Hasher() {
  EVP_MD_CTX_free(context_);
}

void Hasher::add(std::string_view bytes) {
  EVP_DigestUpdate(context_, bytes.data(), bytes.size());
}

std::string Hasher::finish() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context_, raw, &size);
  std::string out = name_ + ":";
  for (unsigned i = 0; i < size; ++i) {
    constexpr char kHex[] = "0123456789abcdef";
    out += kHex[raw[i] >> 4];
    out += kHex[raw[i] & 15];
  }
  return out;
}

std::string digest_of(std::string_view bytes, std::string_view algorithm) {
  Hasher hasher(algorithm);
  hasher.add(bytes);
  return hasher.finish();
}

Result<void> verify_digest(std::string_view what, std::string_view bytes, std::string_view expected) {
  if (const std::string actual = digest_of(bytes, expected); actual != expected)
    return fail(Code::data_loss, "{}: its digest is {}, not {}", what, actual, expected);
  return {};
}

std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> out;
  std::string chain;
  for (const std::string& diff_id : diff_ids) {
    chain = chain.empty() ? diff_id : digest_of(chain + " " + diff_id);
    // A sha512 base layer is its own chain id by the specification; directories want one length.
    out.push_back(chain.starts_with("sha256:") ? chain.substr(7) : digest_of(chain).substr(7));
  }
  return out;
}

}  // namespace slipway::image
