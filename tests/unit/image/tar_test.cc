// The tar reader: what real writers make, and what attackers do (CVE-2023-25153, CVE-2025-58183).
#include "image/tar.h"

#include <catch2/catch.hpp>

#include "tests/unit/image/make_tar.h"

using namespace slipway;
using namespace slipway::test;
using image::TarEntry;
using image::TarReader;
using image::TarType;

namespace {

struct Got {
  std::vector<TarEntry> entries;
  std::vector<std::string> data;
  Result<void> how;
};

Got read_tar(const std::string& text, std::size_t piece = SIZE_MAX) {
  image::TextReader reader(text, piece);
  TarReader tar(reader);
  Got got;
  for (;;) {
    TarEntry entry;
    const auto more = tar.next(entry);
    if (!more.ok()) {
      got.how = more.error();
      return got;
    }
    if (!more.value()) break;
    got.entries.push_back(entry);
    got.data.emplace_back();
    for (;;) {
      const auto bytes = tar.data();
      if (!bytes.ok()) {
        got.how = bytes.error();
        return got;
      }
      if (bytes.value().empty()) break;
      got.data.back() += bytes.value();
    }
  }
  got.how = tar.drain();
  return got;
}

std::string gnu_long(char type, const std::string& name) {
  return tar_header({.name = "././@LongLink", .type = type, .data = {}, .link = {}, .pax = {}}, name.size() + 1) + padded(name + '\0');
}

}  // namespace

TEST_CASE("entries and data come whole however the stream is cut", "[image]") {
  const std::string text = make_tar({dir("d/"), file("d/a", std::string(1300, 'q')), soft_link("l", "d/a"), hard_link("h", "d/a")});
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{512}, text.size()}) {
    const Got got = read_tar(text, piece);
    REQUIRE(got.how.ok());
    REQUIRE(got.entries.size() == 4);
    CHECK(got.entries[0].type == TarType::directory);
    CHECK(got.data[1] == std::string(1300, 'q'));
    CHECK(got.entries[1].mtime == 1000000000);
    CHECK(got.entries[2].link == "d/a");
    CHECK(got.entries[3].type == TarType::hard_link);
  }
}

TEST_CASE("PAX and GNU say what the header has no room for", "[image]") {
  const std::string name(300, 'n');
  TarItem item = file("short", "data");
  item.pax = {{"path", name}, {"uid", "3000000000"}, {"mtime", "-1.25"}, {"SCHILY.xattr.user.k", std::string("v\0w", 3)}};
  std::string text =
      tar_item(item) + gnu_long('L', "long/" + name) + gnu_long('K', "target") + tar_item(soft_link("x", "y")) + std::string(1024, '\0');
  const Got got = read_tar(text);
  REQUIRE(got.how.ok());
  REQUIRE(got.entries.size() == 2);
  CHECK(got.entries[0].path == name);
  CHECK(got.entries[0].uid == 3000000000U);
  CHECK(got.entries[0].mtime == -2);
  CHECK(got.entries[0].mtime_nanos == 750000000);
  REQUIRE(got.entries[0].xattrs.size() == 1);
  CHECK(got.entries[0].xattrs[0].second == std::string("v\0w", 3));
  CHECK(got.entries[1].path == "long/" + name);
  CHECK(got.entries[1].link == "target");
}

TEST_CASE("sparse files of PAX 1.0 carry their map in the data", "[image]") {
  TarItem item = file("GNUSparseFile.0/s", padded("2\n0\n3\n4096\n2\n") + "abcde");
  item.pax = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "s"}, {"GNU.sparse.realsize", "9000"}};
  const Got got = read_tar(make_tar({item, file("after")}));
  REQUIRE(got.how.ok());
  REQUIRE(got.entries.size() == 2);
  const TarEntry& entry = got.entries[0];
  CHECK(entry.path == "s");
  CHECK(entry.sparse);
  CHECK(entry.size == 9000);
  REQUIRE(entry.segments.size() == 2);
  CHECK(entry.segments[1].offset == 4096);
  CHECK(got.data[0] == "abcde");
}

TEST_CASE("sparse maps that lie or never end are refused", "[image]") {
  const auto with_map = [](const std::string& map, const std::string& real) {
    TarItem item = file("s", padded(map) + "abcde");
    item.pax = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "s"}, {"GNU.sparse.realsize", real}};
    return read_tar(make_tar({item}));
  };
  CHECK(with_map("1\n0\n5\n", "5").how.ok());
  CHECK_FALSE(with_map("1\n0\n5\n", "4").how.ok());                     // outside the file
  CHECK_FALSE(with_map("2\n0\n3\n2\n2\n", "9").how.ok());               // overlapping
  CHECK_FALSE(with_map("1\n0\n4\n", "9").how.ok());                     // not all of the data
  CHECK_FALSE(with_map("1\n18446744073709551615\n5\n", "9").how.ok());  // wraps
  const Got bomb = with_map("99999999\n", "5");
  REQUIRE_FALSE(bomb.how.ok());
  CHECK(bomb.how.error().code == Code::resource_exhausted);
}

TEST_CASE("lengths are bounded before they are believed", "[image]") {
  TarItem huge = {.name = "pax", .type = 'x', .data = {}, .link = {}, .size = 1LL << 32, .pax = {}};
  CHECK(read_tar(tar_item(huge)).how.error().code == Code::resource_exhausted);
  TarItem long_name = {.name = "l", .type = 'L', .data = {}, .link = {}, .size = 1 << 30, .pax = {}};
  CHECK(read_tar(tar_item(long_name)).how.error().code == Code::resource_exhausted);
  TarItem many = file("f");
  for (int i = 0; i < 400; ++i) many.pax.emplace_back("SCHILY.xattr.user." + std::to_string(i), "v");
  CHECK(read_tar(make_tar({many})).how.error().code == Code::resource_exhausted);
  std::string chain;
  for (int i = 0; i < 100; ++i) chain += gnu_long('L', "n");
  CHECK(read_tar(chain + make_tar({file("f")})).how.error().code == Code::invalid_argument);
}

TEST_CASE("damaged and truncated archives are errors", "[image]") {
  const std::string good = make_tar({file("a", std::string(2000, 'z'))});
  for (const std::size_t length : {std::size_t{100}, std::size_t{700}, std::size_t{2300}}) {
    const Got got = read_tar(good.substr(0, length));
    REQUIRE_FALSE(got.how.ok());
    CHECK(got.how.error().code == Code::data_loss);
  }
  std::string flipped = good;
  flipped[3] = 'X';
  CHECK(read_tar(flipped).how.error().code == Code::invalid_argument);
  TarItem unknown = file("f");
  unknown.type = 'Q';
  CHECK_FALSE(read_tar(make_tar({unknown})).how.ok());
  TarItem nul = file("f");
  nul.pax = {{"path", std::string("a\0b", 3)}};
  CHECK_FALSE(read_tar(make_tar({nul})).how.ok());
  TarItem negative = file("f");
  negative.pax = {{"size", "-1"}};
  CHECK_FALSE(read_tar(make_tar({negative})).how.ok());
}
