// What slipwayd and slipway-image tell each other survives the way, and nonsense is refused.
#include "image/worker_protocol.h"

#include <catch2/catch.hpp>

#include "image/json_text.h"

using namespace slipway;
using namespace slipway::image;

TEST_CASE("a request comes back as it was", "[image]") {
  Request request;
  request.operation = "pull";
  request.root = "/r";
  request.reference = "a/b";
  request.auth = {"u", "p\"\n", "a", "s", "i", "r"};
  request.insecure_registries = {"x:1"};
  request.signature_policy = "/p";
  request.limits.parallel_layers = 5;
  const auto back = parse_request(write_request(request));
  REQUIRE(back.ok());
  CHECK(back.value().auth.password == "p\"\n");
  CHECK(back.value().insecure_registries == request.insecure_registries);
  CHECK(back.value().signature_policy == "/p");
  CHECK(back.value().limits.parallel_layers == 5);
  CHECK_FALSE(parse_request("{}").ok());
  CHECK_FALSE(parse_request("{\"version\":1,\"root\":\"relative\"}").ok());
}

TEST_CASE("results and errors come back, hostile ones do not", "[image]") {
  PulledImage image;
  image.id = "sha256:" + std::string(64, '1');
  image.layers = {std::string(64, '2')};
  image.names = {"docker.io/library/a:b"};
  image.config.env = {"A=B"};
  const std::string line = write_line(Outcome{{image}});
  CHECK(line.find('\n') == line.size() - 1);
  auto back = parse_line(line);
  REQUIRE(back.ok());
  CHECK(std::get<Outcome>(back.value()).images.at(0).config.env == image.config.env);
  image.layers = {"../../../etc"};
  CHECK_FALSE(parse_line(write_line(Outcome{{image}})).ok());
  image.layers.clear();
  image.names = {"not a name"};
  CHECK_FALSE(parse_line(write_line(Outcome{{image}})).ok());
  image.names.clear();
  image.id = "sha256:../x";
  CHECK_FALSE(parse_line(write_line(Outcome{{image}})).ok());
  back = parse_line(write_line(fail(Code::not_found, "gone")));
  REQUIRE(back.ok());
  CHECK(std::get<Error>(back.value()).code == Code::not_found);
  CHECK_FALSE(parse_line("rubbish").ok());
  CHECK_FALSE(parse_line("{}").ok());
}

TEST_CASE("JSON is measured before it is parsed", "[image][attack]") {
  CHECK(parse_json("x", std::string(10000, '[')).error().code == Code::resource_exhausted);
  std::string many = "[";
  for (int i = 0; i < 300'000; ++i) many += "0,";
  CHECK(parse_json("x", many + "0]").error().code == Code::resource_exhausted);
  CHECK(parse_json("x", "\"" + std::string(1000, '[') + "\"").ok());
  CHECK(parse_json("x", "{\"a\":}").error().code == Code::invalid_argument);
}
