// Tar headers byte by byte, as pax(1) lays them out.
#include "oci/tar_header.h"

#include <catch2/catch.hpp>

using namespace slipway::oci;
using Catch::Matchers::Equals;

namespace {

std::string field(const std::string& block, std::size_t at, std::size_t size) {
  return block.substr(at, size);
}

std::string zeros(std::size_t count) {
  return std::string(count, '\0');
}

// The sum of all bytes with the checksum's own eight taken as blanks.
std::string checksum_of(std::string block) {
  block.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  char text[8] = {};
  std::snprintf(text, sizeof text, "%06o", sum);
  return std::string(text, 7) + ' ';
}

}  // namespace

TEST_CASE("a block has each field in its place", "[tar]") {
  const std::string block = tar_block({.name = "etc/motd",
                                       .type = '3',
                                       .mode = 04755,
                                       .uid = 1000,
                                       .gid = 07777777,
                                       .size = 8589934591,
                                       .mtime = 1700000000,
                                       .link = "there",
                                       .major = 8,
                                       .minor = 17});
  REQUIRE(block.size() == 512);
  CHECK(field(block, 0, 100) == "etc/motd" + zeros(92));
  CHECK(field(block, 100, 8) == "0004755" + zeros(1));
  CHECK(field(block, 108, 8) == "0001750" + zeros(1));
  CHECK(field(block, 116, 8) == "7777777" + zeros(1));
  CHECK(field(block, 124, 12) == "77777777777" + zeros(1));
  CHECK(field(block, 136, 12) == "14524770400" + zeros(1));
  CHECK(field(block, 148, 8) == checksum_of(block));
  CHECK(block[156] == '3');
  CHECK(field(block, 157, 100) == "there" + zeros(95));
  CHECK(field(block, 257, 8) == "ustar" + zeros(1) + "00");
  CHECK(field(block, 265, 64) == zeros(64));
  CHECK(field(block, 329, 16) == "0000010" + zeros(1) + "0000021" + zeros(1));
  CHECK(field(block, 345, 167) == zeros(167));
}

TEST_CASE("what does not fit is cut or 0", "[tar]") {
  const std::string block =
      tar_block({.name = std::string(101, 'n'), .uid = 010000000, .size = 0100000000000, .link = std::string(200, 'l')});
  CHECK(field(block, 0, 108) == std::string(100, 'n') + "0000644" + zeros(1));
  CHECK(field(block, 108, 8) == "0000000" + zeros(1));
  CHECK(field(block, 124, 12) == "00000000000" + zeros(1));
  CHECK(field(block, 157, 100) == std::string(100, 'l'));
  CHECK(field(block, 257, 5) == "ustar");
  CHECK(field(block, 148, 8) == checksum_of(block));
}

TEST_CASE("only devices have numbers", "[tar]") {
  CHECK(field(tar_block({.name = "file", .major = 8, .minor = 17}), 329, 16) == zeros(16));
}

TEST_CASE("a record's length counts its own digits", "[tar]") {
  CHECK_THAT(pax_record("path", "a"), Equals("9 path=a\n"));
  CHECK_THAT(pax_record("k", "vvv"), Equals("8 k=vvv\n"));
  CHECK_THAT(pax_record("k", "vvvv"), Equals("9 k=vvvv\n"));
  CHECK_THAT(pax_record("k", "vvvvv"), Equals("11 k=vvvvv\n"));  // with one digit it would be 10, which has two
  for (std::size_t size : {90, 91, 92, 93, 990, 991, 992, 993}) {
    const std::string record = pax_record("key", std::string(size, 'v'));
    CHECK(std::stoul(record) == record.size());
  }
}

TEST_CASE("content is filled up to whole blocks", "[tar]") {
  CHECK(tar_padding(0) == 0);
  CHECK(tar_padding(1) == 511);
  CHECK(tar_padding(512) == 0);
  CHECK(tar_padding(513) == 511);
}
