// libcurl, held short.
#include "image/http.h"

#include <curl/curl.h>
#include <dirent.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "base/time.h"

namespace slipway::image {
namespace {

constexpr std::size_t kMaxHeaders = 256 << 10;
constexpr const char* kCaDirectory = "/etc/ssl/certs";

// A hashed directory lets OpenSSL load the one authority it needs; the bundle beside it costs 15 ms and 4 MB for each client.
bool has_hashed_certificates() {
  static const bool found = [] {
    DIR* dir = ::opendir(kCaDirectory);
    if (dir == nullptr) return false;
    bool any = false;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name.size() == 10 && name.ends_with(".0") && name.find_first_not_of("0123456789abcdef.") == std::string_view::npos) any = true;
    }
    ::closedir(dir);
    return any;
  }();
  return found;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_final(long status) {
  return status >= 200;
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

}  // namespace

struct HttpClient::Exchange {
  const HttpRequest& request;
  const OnHead& on_head;
  const HttpOptions& options;
  HttpReply reply;
  std::size_t header_bytes = 0;
  bool head_seen = false, any_byte = false, stalled = false, stopped = false;
  MonotonicNanos last_byte = now_monotonic();
  std::optional<Error> error;  // ours, which ended the transfer

  std::size_t refuse(Error why) {
    error = std::move(why);
    return 0;
  }
  void header(std::string_view line);
};

void HttpClient::Exchange::header(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = lower(line.substr(0, colon));
  const std::string value(trim(line.substr(colon + 1), " \t\r\n"));
  if (name == "content-type")
    reply.content_type = value.substr(0, value.find(';'));
  else if (name == "location")
    reply.location = value;
  else if (name == "content-range")
    reply.content_range = value;
  else if (name == "www-authenticate")
    reply.challenges.push_back(value);
  else if (name == "content-length") {
    if (const auto length = to_number<std::uint64_t>(value)) reply.content_length = *length;
  }
}

std::size_t HttpClient::on_header(char* data, std::size_t, std::size_t size, void* self) {
  Exchange& exchange = *static_cast<Exchange*>(self);
  exchange.last_byte = now_monotonic();
  exchange.any_byte = true;
  exchange.header_bytes += size;
  if (exchange.header_bytes > kMaxHeaders)
    return exchange.refuse(fail(Code::resource_exhausted, "more than {} bytes of headers", kMaxHeaders));
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // a new head: 100 Continue came before
    const HttpReply empty;
    exchange.reply = empty;
    const auto space = line.find(' ');
    if (space != std::string_view::npos) exchange.reply.status = std::strtol(data + space, nullptr, 10);
    return size;
  }
  exchange.header(line);
  return size;
}

std::size_t HttpClient::on_body(char* data, std::size_t, std::size_t size, void* self) {
  Exchange& exchange = *static_cast<Exchange*>(self);
  exchange.any_byte = true;
  if (!exchange.head_seen) {
    exchange.head_seen = true;
    if (exchange.on_head)
      if (auto r = exchange.on_head(exchange.reply); !r.ok()) return exchange.refuse(std::move(r).error());
  }
  const long status = exchange.reply.status;
  if (exchange.request.sink && (status == 200 || status == 206)) {
    if (auto r = exchange.request.sink({data, size}); !r.ok()) return exchange.refuse(std::move(r).error());
  } else {
    if (exchange.reply.body.size() + size > kMaxBody)
      return exchange.refuse(fail(Code::resource_exhausted, "an answer longer than {} bytes", kMaxBody));
    exchange.reply.body.append(data, size);
  }
  exchange.last_byte = now_monotonic();  // after the sink: waiting for the disk is not the network's fault
  return size;
}

int HttpClient::on_progress(void* self, long, long, long, long) {
  Exchange& exchange = *static_cast<Exchange*>(self);
  if (exchange.options.stop != nullptr && exchange.options.stop->load(std::memory_order_relaxed)) exchange.stopped = true;
  if (now_monotonic() - exchange.last_byte > static_cast<MonotonicNanos>(exchange.options.no_progress_seconds) * 1'000'000'000)
    exchange.stalled = true;
  return exchange.stopped || exchange.stalled ? 1 : 0;
}

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)), curl_(curl_easy_init()) {}

HttpClient::~HttpClient() {
  curl_easy_cleanup(curl_);
}

Result<HttpReply> HttpClient::send(const HttpRequest& request, const OnHead& on_head) {
  again_ = false;
  if (curl_ == nullptr) return fail(Code::internal, "libcurl does not start");
  curl_easy_reset(curl_);  // keeps connections
  Exchange exchange{request, on_head, options_, {}, 0, false, false, false, false, now_monotonic(), std::nullopt};
  std::unique_ptr<curl_slist, FreeList> headers;
  for (const std::string& header : request.headers) {
    if (header.find_first_of("\r\n") != std::string::npos) return fail(Code::invalid_argument, "a header with a line break");
    if (curl_slist* longer = curl_slist_append(headers.get(), header.c_str()); longer != nullptr)
      (void)headers.release(), headers.reset(longer);
  }
  curl_easy_setopt(curl_, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl_, CURLOPT_USERAGENT, "slipway/1");
  curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl_, CURLOPT_HTTP_VERSION,
                   static_cast<long>(CURL_HTTP_VERSION_1_1));  // one transfer a connection: HTTP/2 gives nothing
  curl_easy_setopt(curl_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, static_cast<long>(std::min<std::uint32_t>(30, options_.no_progress_seconds)));
  curl_easy_setopt(curl_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl_, CURLOPT_BUFFERSIZE, 128L << 10);
  curl_easy_setopt(curl_, CURLOPT_SSL_VERIFYPEER, request.verify ? 1L : 0L);
  curl_easy_setopt(curl_, CURLOPT_SSL_VERIFYHOST, request.verify ? 2L : 0L);
  if (has_hashed_certificates()) {
    curl_easy_setopt(curl_, CURLOPT_CAPATH, kCaDirectory);
    curl_easy_setopt(curl_, CURLOPT_CAINFO, nullptr);
  }
  if (!options_.ca_file.empty()) curl_easy_setopt(curl_, CURLOPT_CAINFO, options_.ca_file.c_str());
  if (!request.post.empty()) curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, request.post.c_str());
  curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, &HttpClient::on_header);
  curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &HttpClient::on_body);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, &HttpClient::on_progress);
  curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, &exchange);
  curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
  const CURLcode code = curl_easy_perform(curl_);
  if (code != CURLE_OK) return explain(code, request, exchange);
  if (!is_final(exchange.reply.status)) return fail(Code::unavailable, "{}: an answer without a status", without_query(request.url));
  if (!exchange.head_seen && on_head) TRY(on_head(exchange.reply));
  return std::move(exchange.reply);
}

Error HttpClient::explain(int raw, const HttpRequest& request, Exchange& exchange) {
  const auto code = static_cast<CURLcode>(raw);
  if (exchange.error) return *std::move(exchange.error);
  if (exchange.stopped) return fail(Code::cancelled, "stopped");
  const std::string url = without_query(request.url);
  again_ = true;
  if (exchange.stalled) return fail(Code::unavailable, "{}: nothing came for {} s", url, options_.no_progress_seconds);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
      code == CURLE_UNSUPPORTED_PROTOCOL)
    again_ = false;
  return fail(Code::unavailable, "{}: {}", url, curl_easy_strerror(code));
}

std::string origin_of(const std::string& url) {
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  const std::string scheme = url_part(parsed.get(), CURLUPART_SCHEME), host = lower(url_part(parsed.get(), CURLUPART_HOST));
  if (host.empty()) return {};
  const std::string port = url_part(parsed.get(), CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  return scheme + "://" + host + (port.empty() ? "" : ":" + port);
}

std::string without_query(const std::string& url) {
  return url.substr(0, url.find('?'));
}

Result<std::string> resolve_url(const std::string& base, const std::string& relative) {
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
  if (curl_url_set(parsed.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      curl_url_set(parsed.get(), CURLUPART_URL, relative.c_str(), 0) != CURLUE_OK)
    return fail(Code::unavailable, "{} redirects to a malformed address", without_query(base));
  if (!url_part(parsed.get(), CURLUPART_USER).empty())
    return fail(Code::unavailable, "{} redirects to an address with credentials", without_query(base));
  return url_part(parsed.get(), CURLUPART_URL);
}

std::string encode_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(bytes.data()),
                                static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

Result<std::string> decode_base64(std::string_view text) {
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';
  if (padded.size() > (1 << 20)) return fail(Code::invalid_argument, "base64: too long");
  const std::size_t equals = std::min(padded.find('='), padded.size()), filled = padded.size() - equals;
  if (filled > 2 || padded.find_first_not_of('=', equals) != std::string::npos) return fail(Code::invalid_argument, "base64: malformed");
  std::string out(padded.size() / 4 * 3 + 1, '\0');
  const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(padded.data()),
                                static_cast<int>(padded.size()));
  if (n < 0) return fail(Code::invalid_argument, "base64: malformed");
  if (static_cast<std::size_t>(n) < filled) return fail(Code::invalid_argument, "base64: malformed");
  out.resize(static_cast<std::size_t>(n) - filled);
  return out;
}

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-._~").find(c) != std::string_view::npos)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace slipway::image
