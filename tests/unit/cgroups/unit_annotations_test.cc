// Annotations → unit properties, and the text that their values are written in.
#include "cgroups/unit_annotations.h"

#include <bit>
#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::cgroups;

namespace {

Literal text(const char* text) {
  auto parsed = parse_variant_text(text);
  if (!parsed.ok()) FAIL(text << ": " << parsed.error().message);
  return std::move(parsed).take();
}

Literal number(const char* type, std::uint64_t value) {
  return {type, {value}, {}};
}

Literal of_strings(const char* type, std::vector<std::string> values) {
  return {type, {}, std::move(values)};
}

std::string refusal(const char* name, const std::string& value) {
  const auto planned = plan_annotated({{std::string("org.systemd.property.") + name, value}});
  return planned.ok() ? "" : planned.error().message;
}

}  // namespace

TEST_CASE("GVariant's text: numbers and truth", "[cgroups][systemd]") {
  CHECK(text("15") == number("i", 15));
  CHECK(text(" -2 ") == number("i", static_cast<std::uint64_t>(-2)));
  CHECK(text("uint64 18446744073709551615") == number("t", UINT64_MAX));
  CHECK(text("int64 -9223372036854775808") == number("x", std::uint64_t{1} << 63));
  CHECK(text("byte 0xff") == number("y", 255));
  CHECK(text("@q 0777") == number("q", 511));
  CHECK(text("uint32 0") == number("u", 0));
  CHECK(text("int16 +7") == number("n", 7));
  CHECK(text("1.5") == number("d", std::bit_cast<std::uint64_t>(1.5)));
  CHECK(text("double 2") == number("d", std::bit_cast<std::uint64_t>(2.0)));
  CHECK(text("true") == number("b", 1));
  CHECK(text("boolean false") == number("b", 0));
}

TEST_CASE("GVariant's text: strings and arrays", "[cgroups][systemd]") {
  CHECK(text("'inactive-or-failed'") == of_strings("s", {"inactive-or-failed"}));
  CHECK(text(R"("it's \"\u00e9\U0001F600\"\n")") == of_strings("s", {"it's \"\xc3\xa9\xf0\x9f\x98\x80\"\n"}));
  CHECK(text("objectpath '/a/b'") == of_strings("o", {"/a/b"}));
  CHECK(text("['a.service', 'b.service']") == of_strings("as", {"a.service", "b.service"}));
  CHECK(text("@as []") == of_strings("as", {}));
  CHECK(text("[byte 1, 2, 3,]") == Literal{"ay", {1, 2, 3}, {}});
  CHECK(text("@au [1, 2]") == Literal{"au", {1, 2}, {}});
}

TEST_CASE("GVariant's text: what is refused", "[cgroups][systemd]") {
  for (const char* bad : {"",
                          "x",
                          "[]",
                          "[1, 'a']",
                          "[1 2]",
                          "'open",
                          "'a' 'b'",
                          "int32 2147483648",
                          "+-1",
                          "double +-1.5",
                          "byte -1",
                          "uint32 'a'",
                          "string 5",
                          "{'a': 1}",
                          "<1>",
                          "(1,)",
                          "@ai 5",
                          "int32 [1]",
                          "@aas [['a']]",
                          "'\\ud800'",
                          "'\\u12'",
                          "'\\",
                          "0x",
                          "1x",
                          "true1",
                          "[",
                          "[1",
                          "@",
                          "int32",
                          "--1",
                          "99999999999999999999999"})
    CHECK_FALSE(parse_variant_text(bad).ok());
  CHECK_FALSE(parse_variant_text(std::string("'a\0b'", 5)).ok());
  CHECK_FALSE(parse_variant_text(std::string(70'000, ' ') + "1").ok());
}

TEST_CASE("annotations are the unit's properties, seconds its microseconds", "[cgroups][systemd]") {
  const auto planned = plan_annotated({{"org.systemd.property.KillSignal", "2"},
                                       {"org.systemd.property.TimeoutStopUSec", "uint64 7000000"},
                                       {"org.systemd.property.TimeoutStartSec", "1.5"},
                                       {"org.systemd.property.RuntimeMaxSec", "uint32 3"},
                                       {"org.systemd.property.After", "['a.service']"},
                                       {"org.systemd.propertyX", "{"},
                                       {"other", "value"}});
  REQUIRE(planned.ok());
  std::vector<std::string> names;
  for (const Property& property : planned.value()) names.push_back(property.name);
  REQUIRE(names == std::vector<std::string>{"After", "KillSignal", "RuntimeMaxUSec", "TimeoutStartUSec", "TimeoutStopUSec"});
  CHECK(std::get<Literal>(planned.value()[1].value) == number("i", 2));
  CHECK(std::get<std::uint64_t>(planned.value()[2].value) == 3'000'000);
  CHECK(std::get<std::uint64_t>(planned.value()[3].value) == 1'500'000);
  CHECK(std::get<Literal>(planned.value()[4].value) == number("t", 7'000'000));
}

TEST_CASE("annotations that are refused by name", "[cgroups][systemd]") {
  CHECK(refusal("Ab", "1") == "annotations.org.systemd.property.Ab: 'Ab' cannot be the name of a property");
  CHECK_THAT(refusal("Kill Signal", "1"), Catch::Contains("'Kill Signal' cannot be the name"));
  CHECK_THAT(refusal("KillSignal", "'TERM"), Catch::Contains("annotations.org.systemd.property.KillSignal: ''TERM': at character 5"));
  CHECK_THAT(refusal("TimeoutStopSec", "'7'"), Catch::Contains("is no number"));
  CHECK_THAT(refusal("TimeoutStopSec", "-7"), Catch::Contains("is no number of seconds"));
  CHECK_THAT(refusal("TimeoutStopSec", "uint64 18446744073709551615"), Catch::Contains("is no number of seconds"));
  CHECK(refusal("TimeoutStopUSec", "uint64 5").empty());
}

TEST_CASE("what somebody wrote is sent as its own type", "[cgroups][dbus]") {
  dbus::Writer out;
  put_properties(out, {{"A", text("int16 -2")}, {"B", text("['x', 'y']")}, {"C", text("[int64 1]")}, {"D", text("'z'")}});
  dbus::Reader in(out.bytes());
  REQUIRE(in.u32().value() == out.bytes().size() - 8);  // of the array, without what pads its first element
  REQUIRE(in.align(8).ok());
  CHECK((in.string().value() == "A" && in.signature().value() == "n" && in.align(2).ok()));
  CHECK((in.byte().value() == 0xfe && in.byte().value() == 0xff && in.align(8).ok()));
  CHECK((in.string().value() == "B" && in.signature().value() == "as" && in.u32().ok()));
  CHECK((in.string().value() == "x" && in.string().value() == "y" && in.align(8).ok()));
  CHECK((in.string().value() == "C" && in.signature().value() == "ax" && in.u32().value() == 8 && in.u64().value() == 1));
  CHECK((in.string().value() == "D" && in.signature().value() == "s" && in.string().value() == "z" && in.at_end()));
}
