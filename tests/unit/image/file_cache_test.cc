// Small files of images are kept, a bounded number of them.
#include <catch2/catch.hpp>

#include "image/file_cache.h"

using namespace slipway;
using image::FileCache;

namespace {

struct Image {
  FileCache cache;
  int looked = 0;

  Result<std::string> read(const std::string& chain, const std::string& path, const Result<std::string>& there, std::size_t limit = 100) {
    return cache.read(chain, path, limit, [&] {
      ++looked;
      return there;
    });
  }
};

}  // namespace

TEST_CASE("a small file and its absence are looked up once, by the uppermost layer and the path", "[image]") {
  Image image;
  const Error absent = fail(Code::not_found, "'group' is not in the image");
  for (int i = 0; i < 2; ++i) {
    CHECK(image.read("a", "etc/passwd", std::string("root:x:0:0")).value() == "root:x:0:0");
    CHECK(image.read("a", "etc/group", absent).error().code == Code::not_found);
    CHECK(image.read("b", "etc/passwd", std::string("other")).value() == "other");
    CHECK(image.looked == 3);
  }
  CHECK_FALSE(image.read("a", "etc/passwd", fail(Code::resource_exhausted, "longer than 3"), 3).ok());
}

TEST_CASE("what is big, other failures and the oldest are not kept", "[image]") {
  Image image;
  for (int i = 0; i < 2; ++i) {
    CHECK(image.read("a", "big", std::string(1 << 20, 'x')).ok());
    CHECK_FALSE(image.read("a", "broken", fail(Code::internal, "read: Input/output error")).ok());
  }
  CHECK(image.looked == 4);
  for (int i = 0; i < 1000; ++i) CHECK(image.read(std::to_string(i), "etc/passwd", std::to_string(i)).value() == std::to_string(i));
  CHECK(image.read("999", "etc/passwd", std::string("new")).value() == "999");
  CHECK(image.read("0", "etc/passwd", std::string("new")).value() == "new");
}

TEST_CASE("what is looked up while layers go away is not kept", "[image]") {
  FileCache cache;
  const auto torn = cache.read("a", "etc/passwd", 100, [&]() -> Result<std::string> {
    cache.layers_go();
    return fail(Code::not_found, "a layer's file is gone, and a lower one has none");
  });
  CHECK_FALSE(torn.ok());
  CHECK(cache.read("a", "etc/passwd", 100, [] { return Result<std::string>("root:x:0:0"); }).value() == "root:x:0:0");
}
