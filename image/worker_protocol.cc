// The protocol's JSON.
#include "image/worker_protocol.h"

#include "image/json_text.h"
#include "image/layout.h"
#include "image/reference.h"

namespace slipway::image {
namespace {

Json config_json(const engine::ImageConfig& config) {
  return {{"env", config.env},        {"entrypoint", config.entrypoint},   {"cmd", config.cmd},
          {"user", config.user},      {"working_dir", config.working_dir}, {"stop_signal", config.stop_signal},
          {"volumes", config.volumes}};
}

engine::ImageConfig config_from(const Json& json) {
  engine::ImageConfig config;
  config.env = strings_member(json, "env");
  config.entrypoint = strings_member(json, "entrypoint");
  config.cmd = strings_member(json, "cmd");
  config.user = string_member(json, "user");
  config.working_dir = string_member(json, "working_dir");
  config.stop_signal = string_member(json, "stop_signal");
  config.volumes = strings_member(json, "volumes");
  return config;
}

Json auth_json(const engine::RegistryAuth& auth) {
  return {{"username", auth.username},
          {"password", auth.password},
          {"auth", auth.auth},
          {"server_address", auth.server_address},
          {"identity_token", auth.identity_token},
          {"registry_token", auth.registry_token}};
}

engine::RegistryAuth auth_from(const Json& json) {
  engine::RegistryAuth auth;
  auth.username = string_member(json, "username");
  auth.password = string_member(json, "password");
  auth.auth = string_member(json, "auth");
  auth.server_address = string_member(json, "server_address");
  auth.identity_token = string_member(json, "identity_token");
  auth.registry_token = string_member(json, "registry_token");
  return auth;
}

Result<PulledImage> image_from(const Json& json) {
  PulledImage image;
  image.id = string_member(json, "id");
  image.manifest_digest = string_member(json, "manifest_digest");
  image.names = strings_member(json, "names");
  image.layers = strings_member(json, "layers");
  image.size = number_member(json, "size");
  if (const Json* config = member(json, "config")) image.config = config_from(*config);
  if (!is_digest(image.id)) return fail(Code::internal, "slipway-image: an image without an id");
  if (!image.manifest_digest.empty() && !is_digest(image.manifest_digest)) return fail(Code::internal, "slipway-image: a malformed digest");
  for (const std::string& chain : image.layers)
    if (!is_chain(chain)) return fail(Code::internal, "slipway-image: a malformed chain id");
  for (const std::string& name : image.names) TRY(parse_reference(name));
  return image;
}

Result<Line> outcome_from(const Json& json) {
  Outcome outcome;
  const Json* images = member(json, "images");
  if (images == nullptr || !images->is_array()) return fail(Code::internal, "slipway-image: a result without images");
  for (const Json& item : *images) {
    TRY_ASSIGN(PulledImage image, image_from(item));
    outcome.images.push_back(std::move(image));
  }
  return Line(std::move(outcome));
}

Json image_json(const PulledImage& image) {
  return {{"id", image.id},     {"manifest_digest", image.manifest_digest}, {"names", image.names}, {"layers", image.layers},
          {"size", image.size}, {"config", config_json(image.config)}};
}

}  // namespace

std::string write_request(const Request& r) {
  const Json limits = {{"unpacked_bytes", r.limits.unpacked_bytes},
                       {"entries", r.limits.entries},
                       {"no_progress_seconds", r.limits.no_progress_seconds},
                       {"parallel_layers", r.limits.parallel_layers}};
  return to_text({{"version", kProtocolVersion},
                  {"operation", r.operation},
                  {"root", r.root},
                  {"reference", r.reference},
                  {"path", r.path},
                  {"auth", auth_json(r.auth)},
                  {"insecure_registries", r.insecure_registries},
                  {"ca_file", r.ca_file},
                  {"signature_policy", r.signature_policy},
                  {"limits", limits}});
}

Result<Request> parse_request(std::string_view text) {
  TRY_ASSIGN(const Json json, parse_json("request", text));
  if (const auto version = number_member(json, "version"); version != kProtocolVersion)
    return fail(Code::invalid_argument, "request: version {}, this slipway-image speaks {}", version, kProtocolVersion);
  Request request;
  request.operation = string_member(json, "operation");
  request.root = string_member(json, "root");
  request.reference = string_member(json, "reference");
  request.path = string_member(json, "path");
  if (const Json* auth = member(json, "auth")) request.auth = auth_from(*auth);
  request.insecure_registries = strings_member(json, "insecure_registries");
  request.ca_file = string_member(json, "ca_file");
  request.signature_policy = string_member(json, "signature_policy");
  if (const Json* limits = member(json, "limits")) {
    request.limits.unpacked_bytes = number_member(*limits, "unpacked_bytes");
    request.limits.entries = number_member(*limits, "entries");
    request.limits.no_progress_seconds = static_cast<std::uint32_t>(number_member(*limits, "no_progress_seconds"));
    request.limits.parallel_layers = static_cast<std::uint32_t>(number_member(*limits, "parallel_layers"));
  }
  if (request.root.empty() || request.root.front() != '/') return fail(Code::invalid_argument, "request: root must be an absolute path");
  return request;
}

std::string write_line(const Line& line) {
  Json json;
  if (const auto* progress = std::get_if<engine::Progress>(&line)) {
    json["progress"] = {{"stage", progress->stage}, {"what", progress->what}, {"done", progress->done}, {"total", progress->total}};
  } else if (const auto* outcome = std::get_if<Outcome>(&line)) {
    Json images = Json::array();
    for (const PulledImage& image : outcome->images) images.push_back(image_json(image));
    json["result"] = {{"images", std::move(images)}};
  } else {
    const Error& error = std::get<Error>(line);
    json["error"] = {{"code", static_cast<unsigned>(error.code)}, {"errno", error.sys_errno}, {"message", error.message}};
  }
  return to_text(json) + "\n";
}

Result<Line> parse_line(std::string_view text) {
  TRY_ASSIGN(const Json json, parse_json("slipway-image", text));
  if (const Json* progress = member(json, "progress"))
    return Line(engine::Progress{string_member(*progress, "stage"), string_member(*progress, "what"), number_member(*progress, "done"),
                                 number_member(*progress, "total")});
  if (const Json* result = member(json, "result")) return outcome_from(*result);
  if (const Json* error = member(json, "error")) {
    const auto code = number_member(*error, "code");
    Error out{code >= 1 && code <= 16 ? static_cast<Code>(code) : Code::internal, static_cast<int>(number_member(*error, "errno")),
              string_member(*error, "message")};
    return Line(std::move(out));
  }
  return fail(Code::internal, "slipway-image: a line that is neither progress nor result nor error");
}

std::string write_config(const engine::ImageConfig& config) {
  return to_text(config_json(config));
}

Result<engine::ImageConfig> parse_config(std::string_view text) {
  TRY_ASSIGN(const Json json, parse_json("image configuration", text));
  return config_from(json);
}

}  // namespace slipway::image
