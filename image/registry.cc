// Pulling from a registry: requests, retries, redirects, tokens.
#include "image/registry.h"

#include <poll.h>

#include <algorithm>
#include <charconv>

#include "base/weaken.h"
#include "image/digest.h"
#include "image/json_text.h"

namespace slipway::image {
namespace {

constexpr int kAttempts = 4;
constexpr int kResumes = 50;  // of one blob, each after some bytes came
constexpr int kRedirects = 5;
constexpr std::size_t kMaxMessage = 300;

// 0.2, 0.4, 0.8 … at most 5 seconds, less a part that differs between threads, so that they do not all come back at once.
void pause_before(int attempt, const std::atomic<bool>* stop) {
  const std::int64_t full = std::min<std::int64_t>(200'000'000LL << std::min(attempt, 5), 5'000'000'000LL);
  const MonotonicNanos deadline = now_monotonic() + full - now_monotonic() % (full / 4 + 1);
  for (MonotonicNanos left = full; left > 0 && (stop == nullptr || !stop->load()); left = deadline - now_monotonic())
    (void)::poll(nullptr, 0, static_cast<int>(std::min<MonotonicNanos>(left / 1'000'000 + 1, 100)));
}

bool is_temporary(long status) {
  return status == 408 || status == 429 || status >= 500;
}

// The registry's own words, held short: they end in logs and events.
std::string words_of(const HttpReply& reply) {
  std::string text;
  if (auto json = parse_json("answer", reply.body); json.ok()) {
    if (const Json* errors = member(json.value(), "errors"); errors != nullptr && errors->is_array() && !errors->empty())
      text = string_member((*errors)[0], "message");
    if (text.empty()) text = string_member(json.value(), "details");
  }
  text = text.substr(0, kMaxMessage);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return text;
}

std::string media_types() {
  return fmt::format("Accept: {}, {}, {}, {}", oci::kMediaOciIndex, oci::kMediaDockerList, oci::kMediaOciManifest,
                     oci::kMediaDockerManifest);
}

// "bytes 100-199/200"
std::uint64_t range_start(const std::string& content_range) {
  std::uint64_t start = UINT64_MAX;
  if (content_range.starts_with("bytes "))
    (void)std::from_chars(content_range.data() + 6, content_range.data() + content_range.size(), start);
  return start;
}

}  // namespace

Registry::Registry(Registry&& other) noexcept
    : reference_(std::move(other.reference_)),
      options_(std::move(other.options_)),
      credentials_(std::move(other.credentials_)),
      host_(std::move(other.host_)),
      scheme_(std::move(other.scheme_)),
      scheme_known_(other.scheme_known_),
      authorization_(std::move(other.authorization_)) {}

Result<Registry> Registry::open(Reference reference, RegistryOptions options) {
  Registry registry(std::move(reference), std::move(options));
  registry.host_ = registry_host(registry.reference_.domain);
  TRY_ASSIGN(registry.credentials_, credentials_for(registry.options_.auth, registry.reference_.domain, registry.host_));
  if (!registry.credentials_.registry_token.empty()) registry.authorization_ = "Bearer " + registry.credentials_.registry_token;
  return registry;
}

std::string Registry::base() const {
  const std::lock_guard lock(mutex_);
  return scheme_ + "://" + host_;
}

std::string Registry::authorization() const {
  const std::lock_guard lock(mutex_);
  return authorization_;
}

bool Registry::listed(const std::string& origin) const {
  return std::find(options_.insecure.begin(), options_.insecure.end(), origin.substr(origin.find("://") + 3)) != options_.insecure.end();
}

bool Registry::plain_allowed(const std::string& origin) const {
  return is_loopback_host(origin.substr(origin.find("://") + 3)) || listed(origin);
}

Result<void> Registry::check_transport(const std::string& url) const {
  const std::string origin = origin_of(url);
  if (origin.empty()) return fail(Code::unavailable, "'{}' is no address", without_query(url));
  if (origin.starts_with("https://") || plain_allowed(origin)) return {};
  return fail(Code::permission_denied, "{} is plain HTTP, which only loopback and listed insecure registries may speak",
              without_query(url));
}

Error Registry::refused(const HttpReply& reply, const std::string& path) const {
  Code code = Code::unavailable;
  if (reply.status == 401) code = Code::unauthenticated;
  if (reply.status == 403) code = Code::permission_denied;
  if (reply.status == 404) code = Code::not_found;
  if (reply.status == 429) code = Code::resource_exhausted;
  const std::string words = words_of(reply);
  return fail(code, "{}/v2/{}{}: the registry answers {}{}{}", base(), reference_.repository, path, reply.status, words.empty() ? "" : ": ",
              words);
}

Result<HttpReply> Registry::get(HttpClient& client, const std::string& path, const std::vector<std::string>& headers, const Sink& sink,
                                const OnHead& on_head) {
  for (int attempt = 0;; ++attempt) {
    bool again = false;
    auto reply = try_get(client, path, headers, sink, on_head, again);
    if (reply.ok() && !is_temporary(reply.value().status)) return reply;
    if (attempt + 1 >= kAttempts || (!reply.ok() && !again)) return reply;
    pause_before(attempt, options_.http.stop);
  }
}

// One try: with what authorization there is, and once more with what the registry then demands.
Result<HttpReply> Registry::try_get(HttpClient& client, const std::string& path, const std::vector<std::string>& headers, const Sink& sink,
                                    const OnHead& on_head, bool& again) {
  for (int round = 0;; ++round) {
    const std::string used = authorization();
    auto reply = exchange(client, base() + "/v2/" + reference_.repository + path, headers, sink, on_head, again);
    if (!reply.ok()) {
      const std::lock_guard lock(mutex_);
      if (scheme_known_ || !plain_allowed("https://" + host_) || !again) return reply;
      scheme_ = "http";
      scheme_known_ = true;
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      scheme_known_ = true;
    }
    if (reply.value().status != 401 || round > 1) return reply;
    TRY(authorize(client, reply.value(), used));
    if (authorization() == used) return reply;
  }
}

// Follows redirects. The Authorization header stays with the registry's own origin.
Result<HttpReply> Registry::exchange(HttpClient& client, std::string url, const std::vector<std::string>& headers, const Sink& sink,
                                     const OnHead& on_head, bool& again) {
  const std::string own = origin_of(url), authorized = authorization();
  for (int hop = 0; hop <= kRedirects; ++hop) {
    TRY(check_transport(url));
    HttpRequest request;
    request.url = url;
    request.headers = headers;
    const std::string origin = origin_of(url);
    if ((origin == own || weakened(Defence::own_credentials)) && !authorized.empty())
      request.headers.push_back("Authorization: " + authorized);
    request.verify = !listed(origin);
    request.sink = sink;
    auto reply = client.send(request, on_head);
    again = client.again();
    if (!reply.ok()) return reply;
    const long status = reply.value().status;
    const bool redirect = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!redirect) {
      // Another host's demand for credentials is no concern of ours: it gets none.
      if (status == 401 && origin != own)
        return fail(Code::permission_denied, "{} wants credentials, which belong to {}", without_query(url), own);
      return reply;
    }
    TRY_ASSIGN(url, resolve_url(url, reply.value().location));
  }
  return fail(Code::unavailable, "{}: more than {} redirects", own, kRedirects);
}

Result<void> Registry::authorize(HttpClient& client, const HttpReply& reply, const std::string& used) {
  for (const std::string& header : reply.challenges) {
    TRY_ASSIGN(const Challenge challenge, parse_challenge(header));
    std::string value;
    if (challenge.scheme == "basic") {
      if (!credentials_.has_password()) continue;
      value = "Basic " + encode_base64(credentials_.username + ":" + credentials_.password);
    } else if (challenge.scheme == "bearer") {
      if (const std::lock_guard lock(mutex_); authorization_ != used) return {};  // another thread has just fetched one
      TRY_ASSIGN(const std::string token, fetch_token(client, challenge));
      value = "Bearer " + token;
    } else {
      continue;
    }
    const std::lock_guard lock(mutex_);
    authorization_ = std::move(value);
    return {};
  }
  return {};  // nothing we could answer: the 401 stands
}

Result<std::string> Registry::fetch_token(HttpClient& client, const Challenge& challenge) {
  const auto value = [&](const char* key) {
    const auto found = challenge.values.find(key);
    return found == challenge.values.end() ? std::string() : found->second;
  };
  const std::string realm = value("realm"), scope = "repository:" + reference_.repository + ":pull";
  TRY(check_transport(realm).context("token service of {}", host_));
  HttpRequest request;
  if (!credentials_.identity_token.empty()) {
    request.url = realm;
    request.post = fmt::format("grant_type=refresh_token&client_id=slipway&service={}&scope={}&refresh_token={}",
                               url_encode(value("service")), url_encode(scope), url_encode(credentials_.identity_token));
  } else {
    request.url = fmt::format("{}{}service={}&scope={}", realm, realm.find('?') == std::string::npos ? '?' : '&',
                              url_encode(value("service")), url_encode(scope));
    if (credentials_.has_password())
      request.headers.push_back("Authorization: Basic " + encode_base64(credentials_.username + ":" + credentials_.password));
  }
  const std::string origin = origin_of(realm);
  request.verify = !listed(origin);
  for (int attempt = 0;; ++attempt) {
    auto reply = client.send(request);
    const bool temporary = reply.ok() ? is_temporary(reply.value().status) : client.again();
    if (temporary && attempt + 1 < kAttempts) {
      pause_before(attempt, options_.http.stop);
      continue;
    }
    if (!reply.ok()) return std::move(reply).error().within("token service of {}", host_);
    if (reply.value().status != 200) {
      const bool denied = reply.value().status == 401 || reply.value().status == 403;
      return fail(denied ? Code::unauthenticated : Code::unavailable, "the token service {} answers {} {}", without_query(realm),
                  reply.value().status, words_of(reply.value()));
    }
    TRY_ASSIGN(const Json json, parse_json("token", reply.value().body));
    std::string token = string_member(json, "token");
    if (token.empty()) token = string_member(json, "access_token");
    const bool printable = std::all_of(token.begin(), token.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    if (token.empty() || !printable) return fail(Code::unavailable, "the token service {} gives no token", without_query(realm));
    return token;
  }
}

Result<Document> Registry::manifest(HttpClient& client, const std::string& tag_or_digest) {
  TRY_ASSIGN(HttpReply reply,
             get(client, "/manifests/" + tag_or_digest, {media_types()}, nullptr, nullptr).context("image '{}'", reference_.canonical()));
  if (reply.status != 200) return refused(reply, "/manifests/" + tag_or_digest).within("image '{}'", reference_.canonical());
  Document document{reply.content_type, "", std::move(reply.body)};
  if (is_digest(tag_or_digest)) {
    TRY(verify_digest(fmt::format("image '{}': manifest", reference_.canonical()), document.text, tag_or_digest));
    document.digest = tag_or_digest;
  } else {
    document.digest = digest_of(document.text);
  }
  return document;
}

Result<void> Registry::blob(HttpClient& client, const oci::Descriptor& descriptor, const Sink& sink) {
  Hasher hasher(descriptor.digest);
  std::uint64_t got = 0, skip = 0;
  const auto take = [&](std::string_view bytes) -> Result<void> {
    const std::size_t known = static_cast<std::size_t>(std::min<std::uint64_t>(skip, bytes.size()));
    skip -= known;
    bytes.remove_prefix(known);
    if (bytes.size() > descriptor.size - got)
      return fail(Code::data_loss, "blob {}: longer than the {} bytes the manifest says", descriptor.digest, descriptor.size);
    got += bytes.size();
    hasher.add(bytes);
    return bytes.empty() ? Result<void>() : sink(bytes);
  };
  const auto head = [&](const HttpReply& reply) -> Result<void> {
    skip = 0;
    if (reply.status == 200) skip = got;  // it cannot resume: pass over what we have
    if (reply.status == 206 && range_start(reply.content_range) != got)
      return fail(Code::unavailable, "blob {}: the registry gives another part than asked for", descriptor.digest);
    return {};
  };
  // A try that brought bytes starts the count of failures anew; the number of resumes in all is bounded too.
  for (int failures = 0, resumes = 0;; ++resumes) {
    const std::uint64_t before = got;
    std::vector<std::string> headers;
    if (got > 0) headers.push_back(fmt::format("Range: bytes={}-", got));
    bool again = false;
    auto reply = try_get(client, "/blobs/" + descriptor.digest, headers, take, head, again);
    const bool good = reply.ok() && (reply.value().status == 200 || reply.value().status == 206);
    if (good && got == descriptor.size) break;
    if (reply.ok()) again = good || is_temporary(reply.value().status);  // good: a body that ended early without saying so
    failures = got > before ? 0 : failures + 1;
    if (!again || failures >= kAttempts || resumes >= kResumes) {
      if (!reply.ok()) return std::move(reply).error();
      if (!good) return refused(reply.value(), "/blobs/" + descriptor.digest);
      return fail(Code::unavailable, "blob {}: {} of {} bytes came", descriptor.digest, got, descriptor.size);
    }
    pause_before(failures, options_.http.stop);
  }
  if (const std::string actual = hasher.finish(); actual != descriptor.digest)
    return fail(Code::data_loss, "blob {}: its digest is {}", descriptor.digest, actual);
  return {};
}

}  // namespace slipway::image
