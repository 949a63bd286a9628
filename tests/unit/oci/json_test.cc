// The JSON reader against a general library's: what is accepted, what it means, and that limits hold.
#include "oci/json_writer.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "oci/json_value.h"

using namespace slipway;
using namespace slipway::oci::json;

namespace {

bool same(const Document& d, const Node& n, const nlohmann::json& j) {
  switch (n.kind) {
    case Kind::null: return j.is_null();
    case Kind::boolean: return j.is_boolean() && j.get<bool>() == n.boolean;
    case Kind::integer: return j.is_number_integer() && j.get<std::int64_t>() == n.integer;
    case Kind::big_integer: return j.is_number_unsigned() && j.get<std::uint64_t>() == n.big_integer;
    case Kind::real: return j.is_number_float();
    case Kind::string: return j.is_string() && j.get<std::string>() == n.text;
    case Kind::array: {
      if (!j.is_array() || j.size() != n.count) return false;
      std::size_t i = 0;
      for (const Node* c = d.first_child(n); c != nullptr; c = d.next(*c))
        if (!same(d, *c, j[i++])) return false;
      return i == n.count;
    }
    case Kind::object: {
      if (!j.is_object() || j.size() != n.count) return false;
      for (const Node* c = d.first_child(n); c != nullptr; c = d.next(*c))
        if (!j.contains(std::string(c->key)) || !same(d, *c, j[std::string(c->key)])) return false;
      return true;
    }
  }
  return false;
}

// nlohmann keeps the last of two members of one name and lets NULs in: those are ours alone to refuse.
bool refused_by_choice(const std::string& message) {
  return message.find("comes twice") != std::string::npos || message.find("NUL") != std::string::npos;
}

void compare(const std::string& text) {
  INFO(text);
  nlohmann::json theirs(nlohmann::json::value_t::discarded);
  try {
    theirs = nlohmann::json::parse(text);
  } catch (const nlohmann::json::out_of_range&) {
    return;  // a number beyond double's range: only ours takes it, as text
  } catch (const nlohmann::json::parse_error&) {
  }
  const auto ours = Document::parse(text, {.strings = Bytes::utf8});
  if (ours.ok()) {
    REQUIRE_FALSE(theirs.is_discarded());
    REQUIRE(same(ours.value(), ours.value().root(), theirs));
  } else if (!refused_by_choice(ours.error().message)) {
    INFO(ours.error().message);
    REQUIRE(theirs.is_discarded());
  }
}

constexpr const char* kChosen[] = {
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "1.5",
    "1e3",
    "1E+3",
    "1e-3",
    "01",
    "-",
    "-a",
    "1.",
    ".5",
    "1e",
    "+1",
    "\"\"",
    "\"a\\u0041\\n\\\"\\\\\\/\\b\\f\\r\\t\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83dx\"",
    "\"\\u12g4\"",
    "\"\\x\"",
    "\"\xc3\xa9\"",
    "\"\xc3\"",
    "\"\xed\xa0\x80\"",
    "\"\xf0\x9f\x98\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xc0\x80\"",
    "\"\xe0\x80\x80\"",
    "\"tab\there\"",
    "\"open",
    "\"open\\",
    "{\"a\":1}",
    "{\"a\":1,}",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{,}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1",
    "{\"a\":1",
    " [ 1 , {\"b\" : [ ] } , \"\" ] ",
    "nul",
    "nulll",
    "tru",
    "",
    " ",
    "[]]",
    "{}{}",
    "[[[[]]]]",
    "{\"a\":{\"b\":{\"c\":[1,2,{\"d\":null}]}}}",
};

}  // namespace

TEST_CASE("the reader agrees with a general one on chosen texts", "[oci][json]") {
  for (const char* text : kChosen) compare(text);
}

TEST_CASE("the reader agrees with a general one on mangled texts", "[oci][json]") {
  const std::string seed =
      R"({"ociVersion":"1.2.0","process":{"args":["a\u00e9\n","b"],"env":[],"n":[-1,0,1.25e2,18446744073709551615]},"x":{"y":null,"z":[true,false,{}]}})";
  std::mt19937 random(20261121);
  const std::string bytes = "{}[]\",:\\u0ed8a1-.+eEtfn \n\xc3\xa9\xff";
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed;
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = bytes[random() % bytes.size()]; break;
        case 1: text.erase(at, 1 + random() % 4); break;
        default: text.insert(at, 1, bytes[random() % bytes.size()]);
      }
      if (text.empty()) text = "0";
    }
    compare(text);
  }
}

TEST_CASE("limits hold: bytes, depth, values", "[oci][json]") {
  CHECK(Document::parse(std::string(64, '[') + std::string(64, ']'), {}).ok());
  const auto deep = Document::parse(std::string(65, '[') + std::string(65, ']'), {});
  REQUIRE_FALSE(deep.ok());
  CHECK(deep.error().code == Code::resource_exhausted);
  CHECK_FALSE(Document::parse(std::string(1000000, '['), {}).ok());
  const auto large = Document::parse("\"" + std::string(4U << 20, 'x') + "\"", {});
  REQUIRE_FALSE(large.ok());
  CHECK(large.error().code == Code::resource_exhausted);
  std::string many = "[0";
  for (int i = 0; i < 300000; ++i) many += ",0";
  const auto wide = Document::parse(many + "]", {});
  REQUIRE_FALSE(wide.ok());
  CHECK(wide.error().code == Code::resource_exhausted);
}

TEST_CASE("a repeated name and a NUL are refused, other bytes may pass", "[oci][json]") {
  CHECK_FALSE(Document::parse(R"({"a":1,"b":2,"a":3})", {}).ok());
  CHECK_FALSE(Document::parse(R"(["\u0000"])", {}).ok());
  CHECK_FALSE(Document::parse(std::string_view("[\"\0\"]", 5), {}).ok());
  CHECK(Document::parse("\"\xff\xfe\"", {.strings = Bytes::any}).ok());
  CHECK_FALSE(Document::parse("\"\xff\xfe\"", {.strings = Bytes::utf8}).ok());
}

TEST_CASE("a syntax error says where", "[oci][json]") {
  const auto r = Document::parse("{\n  \"a\": 1,\n  \"b\" 2\n}", {});
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().message == "JSON line 3 column 7: ':' expected");
}

TEST_CASE("quoting survives reading", "[oci][json]") {
  std::string all;
  for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
  std::string text;
  append_quoted(text, all);
  const auto d = Document::parse(text, {});
  REQUIRE(d.ok());
  CHECK(d.value().root().text == all);
  text.clear();
  append_quoted_utf8(text, "a\xff\xc3\xa9\"\x1f");
  CHECK(text == "\"a\xef\xbf\xbd\xc3\xa9\\\"\\u001f\"");
  CHECK(Document::parse(text, {.strings = Bytes::utf8}).ok());
}
