// Challenges are parsed, credentials are only for whom they are meant.
#include "image/auth.h"

#include <catch2/catch.hpp>

#include "image/http.h"

using namespace slipway;
using namespace slipway::image;

TEST_CASE("a bearer challenge's values", "[image]") {
  const auto r = parse_challenge("Bearer realm=\"https://auth.example/token\",service=reg, scope=\"repository:a/b:pull,push\"");
  REQUIRE(r.ok());
  CHECK(r.value().scheme == "bearer");
  CHECK(r.value().values.at("realm") == "https://auth.example/token");
  CHECK(r.value().values.at("service") == "reg");
  CHECK(r.value().values.at("scope") == "repository:a/b:pull,push");
  CHECK(parse_challenge("Basic realm=\"x\\\"y\"").value().values.at("realm") == "x\"y");
  CHECK(parse_challenge("Negotiate").value().scheme == "negotiate");
  CHECK_FALSE(parse_challenge("Bearer junk").ok());
  CHECK_FALSE(parse_challenge("Bearer realm=\"a\nb\"").ok());
}

TEST_CASE("credentials for another server stay at home", "[image][attack]") {
  engine::RegistryAuth auth;
  auth.username = "u";
  auth.password = "p";
  auth.server_address = "https://other.example/v1/";
  CHECK_FALSE(credentials_for(auth, "reg.example", "reg.example").value().has_password());
  auth.server_address = "https://reg.example/v2/";
  CHECK(credentials_for(auth, "reg.example", "reg.example").value().has_password());
  auth.server_address = "https://index.docker.io/v1/";
  CHECK(credentials_for(auth, "docker.io", "registry-1.docker.io").value().has_password());
  CHECK_FALSE(credentials_for(auth, "reg.example", "reg.example").value().has_password());
}

TEST_CASE("the auth field is user and password in base64", "[image]") {
  engine::RegistryAuth auth;
  auth.auth = encode_base64("user:pass:word");
  const auto r = credentials_for(auth, "a", "a");
  REQUIRE(r.ok());
  CHECK(r.value().username == "user");
  CHECK(r.value().password == "pass:word");
  auth.auth = "dXNlcjpwYXNz";  // no padding needed
  CHECK(credentials_for(auth, "a", "a").value().password == "pass");
  auth.auth = "dTpw";
  CHECK(credentials_for(auth, "a", "a").value().password == "p");
  auth.auth = encode_base64("nocolon");
  CHECK_FALSE(credentials_for(auth, "a", "a").ok());
  auth.auth = "!!!!";
  CHECK_FALSE(credentials_for(auth, "a", "a").ok());
}

TEST_CASE("origins decide who is who", "[image]") {
  CHECK(origin_of("https://Reg.Example:443/v2/x?y") == "https://reg.example");
  CHECK(origin_of("http://reg.example:5000/") == "http://reg.example:5000");
  CHECK(origin_of("https://reg.example@evil.example/") == "https://evil.example");
  CHECK(resolve_url("https://a.example/v2/x", "/y?z=1").value() == "https://a.example/y?z=1");
  CHECK(resolve_url("https://a.example/v2/x", "https://b.example/y").value() == "https://b.example/y");
  CHECK_FALSE(resolve_url("https://a.example/v2/x", "https://u:p@b.example/y").ok());
}
