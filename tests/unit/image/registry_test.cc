// The registry client against honest, broken and hostile registries (CVE-2020-15157, CVE-2021-41190).
#include "image/registry.h"

#include <catch2/catch.hpp>
#include <future>

#include "tests/unit/image/test_server.h"

using namespace slipway;
using namespace slipway::image;
using namespace slipway::test;

namespace {

Registry open(const TestServer& server, engine::RegistryAuth auth = {}) {
  RegistryOptions options;
  options.auth = std::move(auth);
  options.http.no_progress_seconds = 5;
  auto r = Registry::open(parse_reference(server.host() + "/a/b:tag").value(), std::move(options));
  REQUIRE(r.ok());
  return std::move(r).take();
}

struct Fetched {
  std::string bytes;
  Result<void> how;
};

Fetched fetch(Registry& registry, const std::string& digest, std::uint64_t size) {
  HttpClient client(registry.http_options());
  Fetched out;
  oci::Descriptor descriptor;
  descriptor.digest = digest;
  descriptor.size = size;
  out.how = registry.blob(client, descriptor, [&](std::string_view bytes) -> Result<void> {
    out.bytes += bytes;
    return {};
  });
  return out;
}

const TestImage& sample() {
  static const TestImage made({make_tar({file("a", std::string(100'000, 'a'))})});
  return made;
}

}  // namespace

TEST_CASE("a manifest by tag and by digest over plain HTTP on loopback", "[image]") {
  const TestServer server([](const ServedRequest& request) { return sample().serve(request); });
  Registry registry = open(server);
  HttpClient client(registry.http_options());
  const auto by_tag = registry.manifest(client, "tag");
  REQUIRE(by_tag.ok());
  CHECK(by_tag.value().digest == sample().manifest_digest);
  CHECK(registry.manifest(client, sample().manifest_digest).ok());
  const auto wrong = registry.manifest(client, "sha256:" + std::string(64, '0'));
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().code == Code::data_loss);
}

TEST_CASE("an interrupted blob goes on where it stopped", "[image]") {
  const std::string& digest = sample().layer_digests[0];
  const std::string& whole = sample().blobs.at(digest);
  for (const bool ranges : {true, false}) {
    CAPTURE(ranges);
    int calls = 0;
    const TestServer server([&](const ServedRequest& request) -> ServedReply {
      ServedReply reply = sample().serve(request);
      if (++calls < 4) reply.cut = 20'000;
      const std::string range = request.header("Range");
      if (!ranges || range.empty()) {
        if (!range.empty()) reply.cut = SIZE_MAX;
        return reply;
      }
      const std::size_t start = std::stoul(range.substr(6));
      reply.status = 206;
      reply.headers.push_back("Content-Range: bytes " + std::to_string(start) + "-" + std::to_string(whole.size() - 1) + "/" +
                              std::to_string(whole.size()));
      reply.body = whole.substr(start);
      return reply;
    });
    Registry registry = open(server);
    const Fetched got = fetch(registry, digest, whole.size());
    INFO((got.how.ok() ? "" : got.how.error().message));
    REQUIRE(got.how.ok());
    CHECK(got.bytes == whole);
  }
}

TEST_CASE("wrong bytes and wrong lengths are data loss", "[image][attack]") {
  const std::string& digest = sample().layer_digests[0];
  const std::string& whole = sample().blobs.at(digest);
  std::string body = whole;
  const TestServer server([&](const ServedRequest&) -> ServedReply { return {200, {}, body}; });
  Registry registry = open(server);
  CHECK(fetch(registry, digest, whole.size()).how.ok());
  body[5000] = 'X';
  CHECK(fetch(registry, digest, whole.size()).how.error().code == Code::data_loss);
  body = whole + "more";
  const Fetched longer = fetch(registry, digest, whole.size());
  CHECK(longer.how.error().code == Code::data_loss);
  CHECK(longer.bytes.size() <= whole.size());
}

TEST_CASE("a registry that lacks the image, refuses or is not there says so", "[image]") {
  int status = 404;
  std::string host;
  {
    const TestServer server([&](const ServedRequest&) -> ServedReply {
      return {status, {}, "{\"errors\":[{\"message\":\"its\\nwords\"}]}"};
    });
    host = server.host();
    Registry registry = open(server);
    HttpClient client(registry.http_options());
    const auto absent = registry.manifest(client, "tag");
    CHECK(absent.error().code == Code::not_found);
    CHECK_THAT(absent.error().message, Catch::Contains("its words") && Catch::Contains(host + "/a/b:tag"));
    status = 401;
    CHECK(registry.manifest(client, "tag").error().code == Code::unauthenticated);
    status = 403;
    CHECK(registry.manifest(client, "tag").error().code == Code::permission_denied);
    status = 503;
    CHECK(registry.manifest(client, "tag").error().code == Code::unavailable);
  }
  Registry registry = std::move(Registry::open(parse_reference(host + "/a/b").value(), {})).take();
  HttpClient client(registry.http_options());
  const auto gone = registry.manifest(client, "latest");
  CHECK(gone.error().code == Code::unavailable);
  CHECK_THAT(gone.error().message, Catch::Contains(host));
}

TEST_CASE("tokens are fetched where the registry says, with the pull's credentials", "[image]") {
  std::string host;
  const TestServer server([&](const ServedRequest& request) -> ServedReply {
    if (request.target.starts_with("/token")) {
      const bool known = request.header("Authorization") == "Basic " + encode_base64("u:p");
      return {known ? 200 : 401, {}, known ? "{\"token\":\"T0K\"}" : "{}"};
    }
    if (request.header("Authorization") != "Bearer T0K")
      return {401, {"WWW-Authenticate: Bearer realm=\"http://" + host + "/token\",service=\"s v\",scope=\"repository:other:push\""}, "{}"};
    return sample().serve(request);
  });
  host = server.host();
  engine::RegistryAuth auth;
  auth.username = "u";
  auth.password = "p";
  Registry registry = open(server, auth);
  HttpClient client(registry.http_options());
  REQUIRE(registry.manifest(client, "tag").ok());
  CHECK(fetch(registry, sample().id, sample().blobs.at(sample().id).size()).how.ok());
  int tokens = 0;
  for (const ServedRequest& request : server.requests()) {
    if (!request.target.starts_with("/token")) continue;
    ++tokens;
    CHECK(request.target == "/token?service=s%20v&scope=repository%3Aa%2Fb%3Apull");  // ours, not what the challenge asked for
  }
  CHECK(tokens == 1);
  auth.password = "wrong";
  Registry other = open(server, auth);
  CHECK(other.manifest(client, "tag").error().code == Code::unauthenticated);
}

TEST_CASE("identity tokens and registry tokens", "[image]") {
  std::string host;
  const TestServer server([&](const ServedRequest& request) -> ServedReply {
    if (request.target.starts_with("/token"))
      return {200,
              {},
              request.method == "POST" && request.body.find("refresh_token=id%2Ftok") != std::string::npos ? "{\"access_token\":\"T0K\"}"
                                                                                                           : "{}"};
    if (request.header("Authorization") != "Bearer T0K")
      return {401, {"WWW-Authenticate: Bearer realm=\"http://" + host + "/token\""}, "{}"};
    return sample().serve(request);
  });
  host = server.host();
  engine::RegistryAuth auth;
  auth.identity_token = "id/tok";
  Registry registry = open(server, auth);
  HttpClient client(registry.http_options());
  CHECK(registry.manifest(client, "tag").ok());
  engine::RegistryAuth ready;
  ready.registry_token = "T0K";
  Registry second = open(server, ready);
  CHECK(second.manifest(client, "tag").ok());
  engine::RegistryAuth evil;
  evil.registry_token = "x\r\nHost: evil";
  CHECK_FALSE(Registry::open(parse_reference("a/b").value(), {evil, {}, {}}).ok());
}

TEST_CASE("no credentials go where the registry redirects", "[image][attack]") {
  const std::string& digest = sample().layer_digests[0];
  bool demand = false;
  const TestServer elsewhere([&](const ServedRequest& request) -> ServedReply {
    if (demand) return {401, {"WWW-Authenticate: Basic realm=\"give me\""}, "{}"};
    return sample().serve(request);
  });
  const TestServer server([&](const ServedRequest& request) -> ServedReply {
    if (request.header("Authorization").empty()) return {401, {"WWW-Authenticate: Basic realm=\"r\""}, "{}"};
    return {307, {"Location: http://" + elsewhere.host() + "/signed/" + digest}, {}};
  });
  engine::RegistryAuth auth;
  auth.username = "u";
  auth.password = "p";
  Registry registry = open(server, auth);
  const std::uint64_t size = sample().blobs.at(digest).size();
  CHECK(fetch(registry, digest, size).how.ok());
  demand = true;
  CHECK(fetch(registry, digest, size).how.error().code == Code::permission_denied);
  REQUIRE(elsewhere.requests().size() >= 2);
  for (const ServedRequest& request : elsewhere.requests()) CHECK(request.header("Authorization").empty());
}

TEST_CASE("plain HTTP and foreign schemes are refused off this host", "[image][attack]") {
  const TestServer server([](const ServedRequest&) -> ServedReply { return {302, {"Location: http://192.0.2.1/x"}, {}}; });
  Registry registry = open(server);
  CHECK(fetch(registry, sample().id, 10).how.error().code == Code::permission_denied);
  const TestServer files([](const ServedRequest&) -> ServedReply { return {302, {"Location: file:///etc/passwd"}, {}}; });
  Registry second = open(files);
  CHECK_FALSE(fetch(second, sample().id, 10).how.ok());
  const TestServer loop([](const ServedRequest& request) -> ServedReply { return {302, {"Location: " + request.target}, {}}; });
  Registry third = open(loop);
  CHECK(fetch(third, sample().id, 10).how.error().code == Code::unavailable);
  std::string realm = "http://192.0.2.1/token";
  const TestServer tokens([&](const ServedRequest&) -> ServedReply {
    return {401, {"WWW-Authenticate: Bearer realm=\"" + realm + "\""}, {}};
  });
  Registry fourth = open(tokens);
  HttpClient client(fourth.http_options());
  CHECK(fourth.manifest(client, "x").error().code == Code::permission_denied);
}

TEST_CASE("an endless answer is cut off", "[image][attack]") {
  const TestServer server([](const ServedRequest&) -> ServedReply { return {200, {}, std::string(HttpClient::kMaxBody + 1, ' ')}; });
  Registry registry = open(server);
  HttpClient client(registry.http_options());
  CHECK(registry.manifest(client, "x").error().code == Code::resource_exhausted);
}

TEST_CASE("a registry that stalls is given up by name, one that resets too", "[image][attack]") {
  std::promise<void> over;
  const std::shared_future<void> end = over.get_future();
  const TestServer stalls([end](const ServedRequest&) -> ServedReply {
    end.wait();
    return {500, {}, {}};
  });
  RegistryOptions options;
  options.http.no_progress_seconds = 1;
  auto registry = Registry::open(parse_reference(stalls.host() + "/a/b:tag").value(), options);
  REQUIRE(registry.ok());
  HttpClient client(registry.value().http_options());
  const auto stalled = registry.value().manifest(client, "tag");
  over.set_value();
  REQUIRE_FALSE(stalled.ok());
  CHECK(stalled.error().code == Code::unavailable);
  CHECK_THAT(stalled.error().message, Catch::Contains(stalls.host()) && Catch::Contains("nothing came for 1 s"));

  const TestServer resets([](const ServedRequest&) -> ServedReply { return {200, {}, std::string(1000, 'x'), 10}; });
  Registry second = open(resets);
  HttpClient other(second.http_options());
  const auto reset = second.manifest(other, "tag");
  REQUIRE_FALSE(reset.ok());
  CHECK(reset.error().code == Code::unavailable);
  CHECK_THAT(reset.error().message, Catch::Contains(resets.host()));
}
