// One HTTP exchange at a time over libcurl, with every part of the answer bounded.
//
// Redirects are not followed here: who is trusted with what is the registry client's decision. A client belongs to one thread and keeps
// its connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/stream.h"

namespace slipway::image {

struct HttpOptions {
  std::string ca_file;                      // trusted beside the system's store
  std::uint32_t no_progress_seconds = 60;   // without a byte from the other side
  const std::atomic<bool>* stop = nullptr;  // true ends transfers with `cancelled`
};

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string post;                  // a form, where not empty
  bool verify = true;                // the certificate
  Sink sink;                         // takes the body of a 200 or 206; without it the body is collected
};

struct HttpReply {
  long status = 0;
  std::string content_type, location, content_range;
  std::vector<std::string> challenges;  // WWW-Authenticate
  std::optional<std::uint64_t> content_length;
  std::string body;
};

class HttpClient {
 public:
  static constexpr std::size_t kMaxBody = 4 << 20;

  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // unavailable: the network or the other side failed; whether again() makes sense is said beside it. Sinks' errors come through.
  // `on_head` sees the answer's head before its body and may refuse it.
  using OnHead = std::function<Result<void>(const HttpReply&)>;
  Result<HttpReply> send(const HttpRequest& request, const OnHead& on_head = nullptr);
  bool again() const { return again_; }

 private:
  struct Exchange;
  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self);
  static int on_progress(void* self, long, long, long, long);
  Error explain(int code, const HttpRequest& request, Exchange& exchange);

  HttpOptions options_;
  void* curl_;
  bool again_ = false;
};

// scheme://host[:port], lower-case, the default port left out: what credentials are bound to. Empty where the URL is none.
std::string origin_of(const std::string& url);
std::string without_query(const std::string& url);  // for messages: queries carry signatures
Result<std::string> resolve_url(const std::string& base, const std::string& relative);

std::string encode_base64(std::string_view bytes);
Result<std::string> decode_base64(std::string_view text);
std::string url_encode(std::string_view text);

}  // namespace slipway::image
