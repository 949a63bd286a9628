// The choice of a protocol and the documents in it.
#include "streaming/protocols.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace slipway;
using namespace slipway::streaming;
using Names = std::vector<std::string>;

TEST_CASE("names are split as HTTP lists are", "[streaming]") {
  CHECK(split_names("a, b,c ,\td") == Names{"a", "b", "c", "d"});
  CHECK(split_names("").empty());
  CHECK(split_names(" , ,").empty());
}

TEST_CASE("the newest protocol that both know is chosen", "[streaming]") {
  const Names all = {"v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"};
  CHECK(choose_spdy_command(all)->name == "v4.channel.k8s.io");
  CHECK(choose_spdy_command(all)->version == 4);
  CHECK(choose_spdy_command({"channel.k8s.io", "v2.channel.k8s.io"})->version == 2);
  CHECK(choose_spdy_command({})->version == 1);
  CHECK(choose_spdy_command({})->name.empty());
  CHECK_FALSE(choose_spdy_command({"v5.channel.k8s.io"}));
  CHECK(choose_web_socket_command(all)->version == 5);
  CHECK(choose_web_socket_command({"v4.channel.k8s.io"})->version == 4);
  CHECK_FALSE(choose_web_socket_command({"v3.channel.k8s.io"}));
  CHECK_FALSE(choose_web_socket_command({}));
}

TEST_CASE("a terminal's size is read in any case of its names", "[streaming]") {
  CHECK(parse_terminal_size(R"({"Width":132,"Height":43})")->width == 132);
  CHECK(parse_terminal_size(R"({"height":43,"width":132})")->height == 43);
  for (const char* bad : {"", "{}", "[]", "7", R"({"Width":1})", R"({"Width":-1,"Height":2})", R"({"Width":65536,"Height":2})",
                          R"({"Width":"1","Height":2})", R"({"Width":1.5,"Height":2})", R"({"Width":1,"Height":2)"})
    CHECK_FALSE(parse_terminal_size(bad));
}

TEST_CASE("the last word tells the exit code", "[streaming]") {
  CHECK(nlohmann::json::parse(exit_status(4, 0))["status"] == "Success");
  const auto failed = nlohmann::json::parse(exit_status(5, 137));
  CHECK(failed["status"] == "Failure");
  CHECK(failed["reason"] == "NonZeroExitCode");
  CHECK(failed["details"]["causes"][0]["reason"] == "ExitCode");
  CHECK(failed["details"]["causes"][0]["message"] == "137");
  CHECK(exit_status(3, 0).empty());
  CHECK(exit_status(3, 2) == "command terminated with exit code 2");
  const Error error{Code::not_found, 0, "no \"such\" \xff file"};
  const auto broken = nlohmann::json::parse(failure_status(4, error));
  CHECK(broken["reason"] == "InternalError");
  CHECK(broken["code"] == 500);
  CHECK(broken["details"]["causes"].is_array());
  CHECK(failure_status(1, error) == error.message);
}
