// zlib around the blocks, and the dictionary put together from its words.
#include "streaming/spdy_headers.h"

#include <zlib.h>

#include <array>

#include "streaming/bytes.h"

namespace slipway::streaming {
namespace {

// The draft's dictionary: words with their length as four bytes, then status lines, months, types and directives as running text.
constexpr const char* kWords[] = {"options",
                                  "head",
                                  "post",
                                  "put",
                                  "delete",
                                  "trace",
                                  "accept",
                                  "accept-charset",
                                  "accept-encoding",
                                  "accept-language",
                                  "accept-ranges",
                                  "age",
                                  "allow",
                                  "authorization",
                                  "cache-control",
                                  "connection",
                                  "content-base",
                                  "content-encoding",
                                  "content-language",
                                  "content-length",
                                  "content-location",
                                  "content-md5",
                                  "content-range",
                                  "content-type",
                                  "date",
                                  "etag",
                                  "expect",
                                  "expires",
                                  "from",
                                  "host",
                                  "if-match",
                                  "if-modified-since",
                                  "if-none-match",
                                  "if-range",
                                  "if-unmodified-since",
                                  "last-modified",
                                  "location",
                                  "max-forwards",
                                  "pragma",
                                  "proxy-authenticate",
                                  "proxy-authorization",
                                  "range",
                                  "referer",
                                  "retry-after",
                                  "server",
                                  "te",
                                  "trailer",
                                  "transfer-encoding",
                                  "upgrade",
                                  "user-agent",
                                  "vary",
                                  "via",
                                  "warning",
                                  "www-authenticate",
                                  "method",
                                  "get",
                                  "status",
                                  "200 OK",
                                  "version",
                                  "HTTP/1.1",
                                  "url",
                                  "public",
                                  "set-cookie",
                                  "keep-alive",
                                  "origin"};
constexpr const char* kText =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found"
    "500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public"
    "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

const Bytef* dictionary_bytes() {
  return reinterpret_cast<const Bytef*>(spdy_dictionary().data());
}

// What a peer sends is inflated through this much at a time.
using Chunk = std::array<char, 2048>;

}  // namespace

std::string_view find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

const std::string& spdy_dictionary() {
  static const std::string dictionary = [] {
    std::string out;
    for (const std::string_view word : kWords) {
      put_u32(out, static_cast<std::uint32_t>(word.size()));
      out += word;
    }
    return out + kText;
  }();
  return dictionary;
}

struct HeaderReader::Stream {
  z_stream z{};
  bool open = false;
};

HeaderReader::HeaderReader() : stream_(std::make_unique<Stream>()) {
  stream_->open = ::inflateInit(&stream_->z) == Z_OK;
}

HeaderReader::~HeaderReader() {
  if (stream_->open) (void)::inflateEnd(&stream_->z);
}

Result<std::string> HeaderReader::inflate_block(std::string_view compressed) {
  z_stream& z = stream_->z;
  if (!stream_->open) return fail(Code::resource_exhausted, "SPDY: no memory to inflate headers");
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  z.avail_in = static_cast<uInt>(compressed.size());
  std::string out;
  Chunk chunk;
  for (;;) {
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = chunk.size();
    int status = ::inflate(&z, Z_SYNC_FLUSH);
    if (status == Z_NEED_DICT) {
      status = ::inflateSetDictionary(&z, dictionary_bytes(), static_cast<uInt>(spdy_dictionary().size()));
      if (status == Z_OK) continue;
    }
    out.append(chunk.data(), chunk.size() - z.avail_out);
    if (out.size() > kMaxBlock) return fail(Code::invalid_argument, "SPDY: headers of more than {} bytes", kMaxBlock);
    if (status == Z_BUF_ERROR || (status == Z_OK && z.avail_in == 0 && z.avail_out != 0)) break;
    if (status != Z_OK) return fail(Code::invalid_argument, "SPDY: headers that do not inflate ({})", status);
  }
  if (z.avail_in != 0) return fail(Code::invalid_argument, "SPDY: headers that do not inflate to their end");
  return out;
}

Result<Headers> HeaderReader::read(std::string_view compressed) {
  TRY_ASSIGN(const std::string block, inflate_block(compressed));
  std::size_t at = 0;
  const auto number = [&](std::uint32_t& value) {
    if (block.size() - at < 4) return false;
    value = get_u32(block, at);
    at += 4;
    return true;
  };
  const auto text = [&](std::string& value) {
    std::uint32_t size = 0;
    if (!number(size) || size > block.size() - at) return false;
    value = block.substr(at, size);
    at += size;
    return true;
  };
  std::uint32_t count = 0;
  if (!number(count)) return fail(Code::invalid_argument, "SPDY: headers without a count");
  if (count > kMaxHeaders) return fail(Code::invalid_argument, "SPDY: {} headers, at most {} are taken", count, kMaxHeaders);
  Headers headers(count);
  for (auto& [name, value] : headers)
    if (!text(name) || !text(value)) return fail(Code::invalid_argument, "SPDY: headers that end in the middle of one");
  if (at != block.size()) return fail(Code::invalid_argument, "SPDY: {} bytes after the last header", block.size() - at);
  return headers;
}

struct HeaderWriter::Stream {
  z_stream z{};
  bool open = false;
};

HeaderWriter::HeaderWriter() : stream_(std::make_unique<Stream>()) {
  // The smallest window and memory that hold the dictionary's use: replies carry next to nothing.
  constexpr int kWindowBits = 11, kMemory = 1;
  z_stream& z = stream_->z;
  stream_->open = ::deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, kWindowBits, kMemory, Z_DEFAULT_STRATEGY) == Z_OK;
  if (stream_->open) (void)::deflateSetDictionary(&z, dictionary_bytes(), static_cast<uInt>(spdy_dictionary().size()));
}

HeaderWriter::~HeaderWriter() {
  if (stream_->open) (void)::deflateEnd(&stream_->z);
}

Result<std::string> HeaderWriter::write(const Headers& headers) {
  z_stream& z = stream_->z;
  if (!stream_->open) return fail(Code::resource_exhausted, "SPDY: no memory to deflate headers");
  std::string block;
  put_u32(block, static_cast<std::uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    put_u32(block, static_cast<std::uint32_t>(name.size()));
    block += name;
    put_u32(block, static_cast<std::uint32_t>(value.size()));
    block += value;
  }
  z.next_in = reinterpret_cast<Bytef*>(block.data());
  z.avail_in = static_cast<uInt>(block.size());
  std::string out;
  Chunk chunk;
  do {
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = chunk.size();
    const int status = ::deflate(&z, Z_SYNC_FLUSH);
    if (status != Z_OK && status != Z_BUF_ERROR) return fail(Code::internal, "SPDY: headers that do not deflate ({})", status);
    out.append(chunk.data(), chunk.size() - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

}  // namespace slipway::streaming
