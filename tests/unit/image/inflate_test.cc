// Decompression in pieces, with several members, truncated, damaged.
#include "image/inflate.h"

#include <isa-l/igzip_lib.h>
#include <zlib.h>
#include <zstd.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace slipway;
using image::Pipe;

namespace {

std::string gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(text.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  (void)::deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Unpacked {
  std::string text;
  Result<void> how;
};

Unpacked unpack(const std::string& packed, oci::LayerForm form, std::size_t piece) {
  Pipe pipe;
  std::thread writer([&] {
    image::PipeWriter out(pipe);
    const auto inflater = image::make_inflater(form, out);
    Result<void> r;
    for (std::size_t at = 0; at < packed.size() && r.ok(); at += piece) r = inflater->add(std::string_view(packed).substr(at, piece));
    if (r.ok()) r = inflater->finish();
    pipe.finish(std::move(r));
  });
  Unpacked got;
  for (;;) {
    const auto bytes = pipe.next();
    if (!bytes.ok()) got.how = bytes.error();
    if (!bytes.ok() || bytes.value().empty()) break;
    got.text += bytes.value();
  }
  pipe.leave();
  writer.join();
  return got;
}

std::string sample(std::size_t size) {
  std::string out;
  unsigned state = 1;
  while (out.size() < size) {
    state = state * 1664525 + 1013904223;
    out += state >> 28 ? std::to_string(state % 1000) : std::string(300, 'r');
  }
  out.resize(size);
  return out;
}

}  // namespace

TEST_CASE("gzip and zstd unpack however they are cut", "[image]") {
  // Sizes around the buffer's, where the last byte and the buffer end together.
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, Pipe::kBufferSize - 1, Pipe::kBufferSize, Pipe::kBufferSize + 1, 5 * Pipe::kBufferSize}) {
    const std::string text = sample(size);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20}) {
      CAPTURE(size, piece);
      if (piece == 1 && size > Pipe::kBufferSize + 1) continue;
      const Unpacked gz = unpack(gzip(text), oci::LayerForm::gzip, piece);
      REQUIRE(gz.how.ok());
      CHECK(gz.text == text);
      const Unpacked zs = unpack(zstd(text), oci::LayerForm::zstd, piece);
      REQUIRE(zs.how.ok());
      CHECK(zs.text == text);
    }
  }
}

TEST_CASE("members in a row are one stream", "[image]") {
  const std::string a = sample(1000), b = sample(200000);
  CHECK(unpack(gzip(a) + gzip("") + gzip(b), oci::LayerForm::gzip, 77).text == a + b);
  CHECK(unpack(zstd(a) + zstd(b), oci::LayerForm::zstd, 77).text == a + b);
}

TEST_CASE("truncated and damaged streams are data loss", "[image]") {
  const std::string text = sample(300000);
  for (const auto& [packed, form] : {std::pair{gzip(text), oci::LayerForm::gzip}, std::pair{zstd(text), oci::LayerForm::zstd}}) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{5}, packed.size() / 2, packed.size() - 1}) {
      CAPTURE(length, static_cast<int>(form));
      const Unpacked got = unpack(packed.substr(0, length), form, 1000);
      REQUIRE_FALSE(got.how.ok());
      CHECK(got.how.error().code == Code::data_loss);
    }
    std::string damaged = packed;
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
    const Unpacked got = unpack(damaged, form, 1000);
    CHECK((!got.how.ok() || got.text != text));
  }
  std::string wrong_sum = gzip(text);
  wrong_sum[wrong_sum.size() - 6] = static_cast<char>(wrong_sum[wrong_sum.size() - 6] ^ 1);
  CHECK_FALSE(unpack(wrong_sum, oci::LayerForm::gzip, 1000).how.ok());
  CHECK_FALSE(unpack(gzip(text) + "rubbish rubbish rubbish", oci::LayerForm::gzip, 1000).how.ok());
  CHECK_FALSE(unpack("not packed at all, not packed at all", oci::LayerForm::gzip, 1000).how.ok());
}

TEST_CASE("a reader that leaves stops the writer", "[image]") {
  Pipe pipe;
  Result<void> how;
  std::thread writer([&] {
    image::PipeWriter out(pipe);
    while (how.ok()) how = out.add(std::string(1000, 'x'));
    pipe.finish(how);
  });
  CHECK(pipe.next().ok());
  pipe.leave();
  writer.join();
  CHECK(how.error().code == Code::cancelled);
}
