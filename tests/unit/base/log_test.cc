// Lines of the log: one a fact, its fields apart, and no value of a field can forge a second line or field.
#include "base/log.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("an event's fields are words of a text line, with quotes where they need them", "[base]") {
  const auto line = log::format_event(log::Format::text, 0, "pod started", {{"pod", "ab12"}, {"name", "default/web"}, {"ms", 12}});
  CHECK(line == "1970-01-01T00:00:00.000000000Z info  pod started pod=ab12 name=default/web ms=12\n");
  CHECK(log::format_event(log::Format::text, 0, "x", {{"name", "a b=c\n\"d\""}, {"empty", ""}}) ==
        "1970-01-01T00:00:00.000000000Z info  x name=\"a b=c\\u000a\\\"d\\\"\" empty=\"\"\n");
}

TEST_CASE("an event's fields are keys of a JSON line", "[base]") {
  CHECK(log::format_event(log::Format::json, 0, "image pulled", {{"image", "sha256:1"}, {"name", "a\"b\n"}, {"ms", 7}}) ==
        R"({"time":"1970-01-01T00:00:00.000000000Z","level":"info","msg":"image pulled","image":"sha256:1","name":"a\"b\u000a","ms":7})"
        "\n");
}
