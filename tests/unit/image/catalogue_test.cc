// Names find their image, and move.
#include "image/catalogue.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::image;

namespace {

PulledImage pulled(char id, std::vector<std::string> names) {
  PulledImage image;
  image.id = "sha256:" + std::string(64, id);
  image.manifest_digest = "sha256:" + std::string(64, 'f');
  image.names = std::move(names);
  image.layers = {std::string(64, id)};
  return image;
}

void add(Catalogue& catalogue, const PulledImage& image) {
  for (auto& record : catalogue.merge(image, 1)) catalogue.put(std::move(record));
}

}  // namespace

TEST_CASE("an image is found by id, prefix, tag and digest", "[image]") {
  Catalogue catalogue;
  add(catalogue, pulled('a', {"docker.io/library/nginx:1"}));
  add(catalogue, pulled('b', {"reg.example/x@sha256:" + std::string(64, 'f')}));
  for (const std::string& name : {"sha256:" + std::string(64, 'a'), std::string(64, 'a'), std::string(12, 'a'), std::string("nginx:1"),
                                  std::string("docker.io/library/nginx:1"), "nginx@sha256:" + std::string(64, 'f')}) {
    CAPTURE(name);
    REQUIRE(catalogue.find(name).ok());
    CHECK(catalogue.find(name).value().id[7] == 'a');
  }
  CHECK(catalogue.find("reg.example/x:any@sha256:" + std::string(64, 'f')).value().repo_tags.empty());
  for (const std::string& name : {std::string("nginx"), std::string(11, 'a'), std::string(12, 'c'), std::string("no such"), std::string()})
    CHECK(catalogue.find(name).error().code == Code::not_found);
}

TEST_CASE("an ambiguous prefix is refused", "[image]") {
  Catalogue catalogue;
  PulledImage one = pulled('a', {}), two = pulled('a', {});
  two.id.back() = 'b';
  add(catalogue, one);
  add(catalogue, two);
  CHECK(catalogue.find(std::string(12, 'a')).error().code == Code::invalid_argument);
  CHECK(catalogue.find(two.id).value().id == two.id);
}

TEST_CASE("a tag that moves leaves its old image", "[image]") {
  Catalogue catalogue;
  add(catalogue, pulled('a', {"reg.example/x:1"}));
  add(catalogue, pulled('a', {"reg.example/x:2"}));
  CHECK(catalogue.find("reg.example/x:1").value().repo_tags.size() == 2);
  CHECK(catalogue.find("reg.example/x:1").value().repo_digests.size() == 1);
  add(catalogue, pulled('b', {"reg.example/x:1"}));
  CHECK(catalogue.find("reg.example/x:1").value().id[7] == 'b');
  CHECK(catalogue.find(std::string(64, 'a')).value().repo_tags == std::vector<std::string>{"reg.example/x:2"});
  CHECK(catalogue.referenced().size() == 2);
  catalogue.remove("sha256:" + std::string(64, 'b'));
  CHECK(catalogue.find("reg.example/x:1").error().code == Code::not_found);
}
