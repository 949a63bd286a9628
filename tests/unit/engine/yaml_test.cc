// YAML becomes the JSON that means the same; what JSON cannot say is refused with its line.
#include "engine/yaml.h"

#include <catch2/catch.hpp>

#include "oci/cdi.h"

using namespace slipway;
using engine::yaml_to_json;

namespace {

std::string json(const std::string& yaml) {
  const auto r = yaml_to_json(yaml);
  return r.ok() ? r.value() : "error: " + r.error().message;
}

}  // namespace

TEST_CASE("block mappings and sequences, in each indent", "[engine]") {
  CHECK(json("a: 1\nb:\n  c: x\n  d: y z\n") == R"({"a":1,"b":{"c":"x","d":"y z"}})");
  CHECK(json("a:\n- 1\n- b: 2\n  c: 3\n- - 4\n  - 5\nd: e\n") == R"({"a":[1,{"b":2,"c":3},[4,5]],"d":"e"})");
  CHECK(json("a:\n  -   b: 2\n      c:\n      - d\n") == R"({"a":[{"b":2,"c":["d"]}]})");
  CHECK(json("-\n  a: 1\n-\n- b\n") == R"([{"a":1},null,"b"])");
  CHECK(json("---\n# a remark\na: 1 # one\n\nb: 'x # y'\nc:\nd: ~\n") == R"({"a":1,"b":"x # y","c":null,"d":null})");
  CHECK(json("a: first\n  second\n  third\nb: 1\n") == R"({"a":"first second third","b":1})");
  CHECK(json("- first\n  second\n- b\n") == R"(["first second","b"])");
}

TEST_CASE("scalars are what they are in JSON, or strings", "[engine]") {
  CHECK(json("- true\n- -5\n- 0\n- 0644\n- 08\n- 1.5\n- 1.2.3\n- yes\n- a:b\n- http://x/y\n- A=b=c\n") ==
        R"([true,-5,0,420,"08","1.5","1.2.3","yes","a:b","http://x/y","A=b=c"])");
  CHECK(json(R"(- "a\"b\n\u0041: #"
- 'it''s'
- "0"
- ""
)") == "[\"a\\\"b\\nA: #\",\"it's\",\"0\",\"\"]");
  CHECK(json("\"k: 1\": v\n'l''m': w\n") == R"({"k: 1":"v","l'm":"w"})");
}

TEST_CASE("flow collections of one line", "[engine]") {
  CHECK(json("a: []\nb: {}\nc: [ro, \"x, y\", 3]  # three\nd: {e: f, 'g': [1, {h: i}]}\n") ==
        R"({"a":[],"b":{},"c":["ro","x, y",3],"d":{"e":"f","g":[1,{"h":"i"}]}})");
  CHECK(json(R"({"a": [1, "b"], "c": {"d": null}})") == R"({"a":[1,"b"],"c":{"d":null}})");
}

TEST_CASE("texts of several lines", "[engine]") {
  CHECK(json("a: |\n  x\n  y\nb: >-\n  x\n  y\nc: \"x\n  y\"\n") == R"({"a":"x\ny\n","b":"x y","c":"x y"})");
  CHECK(json("a: &anchor 1\n? b\n: c\n") == R"({"a":1,"b":"c"})");
}

TEST_CASE("what is not read is refused with its line", "[engine][attack]") {
  for (const char* text :
       {"a: 1\nb: *x", "a: 1\nb: !!str 1", "a: 1\nb: !!map {}", "a: 1\nb: [1}", "a: 1\n  b: 2", "a: 1\n- b", "a: 1\n---\nc: 2",
        "a: 1\n\tb: 2", "a: 1\nb: \"\\q\"", "a: 1\nb: [] c", "a: 1\nb: [*x]", "a: 1\n[b]: c", "a: 1\n{b: c}: d"}) {
    CAPTURE(text);
    const auto r = yaml_to_json(text);
    REQUIRE_FALSE(r.ok());
    CHECK_THAT(r.error().message, Catch::StartsWith("line 2: "));
  }
  for (const char* text : {"a: \"open", "a: 'open", "a: [1,", "a: {\"c", "a: ["}) CHECK_FALSE(yaml_to_json(text).ok());
  CHECK_FALSE(yaml_to_json("a: " + std::string(100'000, '[')).ok());
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "- ";
  CHECK_FALSE(yaml_to_json(deep + "x").ok());
  CHECK(json("") == "null");
  CHECK_FALSE(yaml_to_json(std::string("\xFF\xFE{\0}\0", 6)).ok());  // UTF-16
}

// Each of them is compared with all before it: some ten thousand are seconds, a file's four megabytes minutes.
TEST_CASE("tag directives are counted before they are read", "[engine][attack]") {
  std::string text;
  for (int i = 0; i < 65; ++i) text += fmt::format("%TAG !{}! x\n", i);
  CHECK(yaml_to_json(text + "---\na\n").error().code == Code::resource_exhausted);
  CHECK(json("%YAML 1.1\n%TAG ! x\n---\na: \"%TAG\"\n") == R"({"a":"%TAG"})");
}

TEST_CASE("a driver's CDI file in YAML", "[engine]") {
  const auto r = yaml_to_json(R"(---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/ctl
  env:
  - VISIBLE=void
  hooks:
  - args:
    - hook
    - create-symlinks
    - --link
    - libx.so.1::/usr/lib/libx.so
    hookName: createContainer
    path: /usr/bin/hook
  mounts:
  - containerPath: /usr/bin/tool
    hostPath: /usr/bin/tool
    options:
    - ro
    - nosuid
    - bind
devices:
- containerEdits:
    deviceNodes:
    - major: 195
      path: /dev/x0
  name: "0"
kind: vendor.com/gpu
)");
  REQUIRE(r.ok());
  const auto spec = oci::parse_cdi(r.value());
  INFO((spec.ok() ? "" : spec.error().message));
  REQUIRE(spec.ok());
  CHECK(spec.value().devices.at("0").device_nodes.at(0).major == 195);
  CHECK(spec.value().edits.hooks.at(0).hook.args.at(3) == "libx.so.1::/usr/lib/libx.so");
  CHECK(spec.value().edits.mounts.at(0).options.size() == 3);
}
