// What slipwayd and slipway-image say to each other: one JSON request on stdin, JSON lines back on stdout.
//
//   slipwayd → stdin   {"version":1,"operation":"pull",…}                     one object, then end of file
//   stdout → slipwayd  {"progress":{"stage":"download","what":"sha256:…","done":1,"total":2}}   any number
//                      {"result":{"images":[…]}}  or  {"error":{"code":14,"message":"…"}}     exactly one, last
//
// Everything the worker says is bounded by its reader: it has parsed hostile bytes and may have been taken over by them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/ports.h"

namespace slipway::image {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMaxRequest = 1 << 20;
inline constexpr std::size_t kMaxLine = 8 << 20;  // a result with many images of long configurations

struct Limits {
  std::uint64_t unpacked_bytes = 64ULL << 30;  // of one image, all its layers
  std::uint64_t entries = 4'000'000;           // of one layer
  std::uint32_t no_progress_seconds = 60;      // of a connection that gives nothing
  std::uint32_t parallel_layers = 3;
};

struct Request {
  std::string operation;  // "pull", "load"
  std::string root;       // of the store
  std::string reference;  // pull: what to fetch; load: the name to give, or empty
  std::string path;       // load
  engine::RegistryAuth auth;
  std::vector<std::string> insecure_registries;  // host[:port]: plain HTTP and unverified certificates allowed
  std::string ca_file;                           // trusted beside the system's store; empty = none
  std::string signature_policy;                  // containers-policy.json(5), for pulls; empty = none
  Limits limits;
};

struct PulledImage {
  std::string id;                   // "sha256:…" of the configuration
  std::string manifest_digest;      // what a repo digest names: the index's where there is one; empty for docker archives
  std::vector<std::string> names;   // canonical references that now mean this image
  std::vector<std::string> layers;  // chain ids, base first
  std::uint64_t size = 0;           // bytes on the disk of all layers, and the configuration
  engine::ImageConfig config;
};

struct Outcome {
  std::vector<PulledImage> images;
};
using Line = std::variant<engine::Progress, Outcome, Error>;

std::string write_request(const Request& request);
Result<Request> parse_request(std::string_view text);

std::string write_line(const Line& line);  // ends with a newline
Result<Line> parse_line(std::string_view text);

// The configuration alone: the form in which records keep it.
std::string write_config(const engine::ImageConfig& config);
Result<engine::ImageConfig> parse_config(std::string_view text);

}  // namespace slipway::image
