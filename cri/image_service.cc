// ImageService's handlers.
#include "cri/image_service.h"

#include "cri/inspect.h"
#include "cri/streams.h"
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

// "download of sha256:…, 5 of 10 bytes"
std::string stage_of(const engine::Progress& progress) {
  const std::string bytes = progress.total == 0 ? "" : fmt::format(", {} of {} bytes", progress.done, progress.total);
  return fmt::format("{} of {}{}", progress.stage, progress.what, bytes);
}

}  // namespace

Error as_pull_error(Error error) {
  const char* reason = error.code == Code::unavailable ? "RegistryUnavailable"
                       : error.code == Code::aborted   ? "SignatureValidationFailed"
                                                       : nullptr;
  if (reason == nullptr) return error;
  return Error{Code::unknown, error.sys_errno, fmt::format("{}: {}", reason, error.message)};
}

// A filter names one image, by any of its names.
std::vector<v1::Image> ImageService::list(const v1::ImageFilter& filter) const {
  std::vector<v1::Image> out;
  if (!filter.image().image().empty()) {
    const auto found = backend_.images.find(filter.image().image());
    if (found.ok()) out.push_back(to_proto(found.value()));
    return out;
  }
  for (const auto& image : backend_.images.list()) out.push_back(to_proto(image));
  return out;
}

grpc::ServerUnaryReactor* ImageService::ListImages(grpc::CallbackServerContext* context, const v1::ListImagesRequest* request,
                                                   v1::ListImagesResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    for (auto& image : list(request->filter())) *response->add_images() = std::move(image);
    return {};
  });
}

grpc::ServerWriteReactor<v1::StreamImagesResponse>* ImageService::StreamImages(grpc::CallbackServerContext*,
                                                                               const v1::StreamImagesRequest* request) {
  return stream_list<v1::StreamImagesResponse>(
      backend_.workers, Lane::read, [this, request] { return list(request->filter()); }, [](auto& m) { return m.add_images(); });
}

grpc::ServerUnaryReactor* ImageService::ImageStatus(grpc::CallbackServerContext* context, const v1::ImageStatusRequest* request,
                                                    v1::ImageStatusResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    if (request->image().image().empty()) return fail(Code::invalid_argument, "image.image: empty");
    const auto image = backend_.images.find(request->image().image());
    if (!image.ok() && image.error().code == Code::not_found) return {};  // absent is an empty answer, no error
    if (!image.ok()) return image.error();
    *response->mutable_image() = to_proto(image.value());
    if (request->verbose()) (*response->mutable_info())["info"] = to_json(image.value());
    return {};
  });
}

grpc::ServerUnaryReactor* ImageService::PullImage(grpc::CallbackServerContext* context, const v1::PullImageRequest* request,
                                                  v1::PullImageResponse* response) {
  return answer_while_wanted(
      backend_.workers, Lane::wait, context, request, response,
      [this](const v1::PullImageRequest& asked, v1::PullImageResponse& reply, const std::stop_token& gone) -> Result<void> {
        const std::string& reference = asked.image().image();
        if (reference.empty()) return fail(Code::invalid_argument, "image.image: empty");
        const auto& auth = asked.auth();
        const engine::RegistryAuth login{auth.username(),       auth.password(),       auth.auth(),
                                         auth.server_address(), auth.identity_token(), auth.registry_token()};
        const auto note = std::make_shared<engine::StageNote>("PullImage");
        engine::StageWatch::follow(note);
        auto image = backend_.images.pull(
            reference, login, [&](const engine::Progress& progress) { note->set(stage_of(progress)); }, gone);
        if (!image.ok()) return as_pull_error(std::move(image).error());
        reply.set_image_ref(image.value().id);
        return {};
      });
}

grpc::ServerUnaryReactor* ImageService::RemoveImage(grpc::CallbackServerContext* context, const v1::RemoveImageRequest* request,
                                                    v1::RemoveImageResponse*) {
  return answer(Lane::operate, context, [this, request]() -> Result<void> {
    if (request->image().image().empty()) return fail(Code::invalid_argument, "image.image: empty");
    return backend_.images.remove(request->image().image());
  });
}

grpc::ServerUnaryReactor* ImageService::ImageFsInfo(grpc::CallbackServerContext* context, const v1::ImageFsInfoRequest*,
                                                    v1::ImageFsInfoResponse* response) {
  return answer(Lane::operate, context, [this, response]() -> Result<void> {
    TRY_ASSIGN(const engine::FsUsage usage, backend_.images.usage());
    // Layers and writable directories share one file system: the kubelet takes the first of each.
    *response->add_image_filesystems() = to_proto(usage);
    *response->add_container_filesystems() = to_proto(usage);
    return {};
  });
}

}  // namespace slipway::cri
