// CRI's ImageService over the image store.
//
// Owner: cri::Server. Handlers only post.
#pragma once

#include "cri/answer.h"
#include "cri/backend.h"
#include "cri/v1/api.grpc.pb.h"

namespace slipway::cri {

namespace v1 = ::runtime::v1;

class ImageService final : public v1::ImageService::CallbackService {
 public:
  explicit ImageService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* ListImages(grpc::CallbackServerContext*, const v1::ListImagesRequest*, v1::ListImagesResponse*) override;
  grpc::ServerWriteReactor<v1::StreamImagesResponse>* StreamImages(grpc::CallbackServerContext*, const v1::StreamImagesRequest*) override;
  grpc::ServerUnaryReactor* ImageStatus(grpc::CallbackServerContext*, const v1::ImageStatusRequest*, v1::ImageStatusResponse*) override;
  grpc::ServerUnaryReactor* PullImage(grpc::CallbackServerContext*, const v1::PullImageRequest*, v1::PullImageResponse*) override;
  grpc::ServerUnaryReactor* RemoveImage(grpc::CallbackServerContext*, const v1::RemoveImageRequest*, v1::RemoveImageResponse*) override;
  grpc::ServerUnaryReactor* ImageFsInfo(grpc::CallbackServerContext*, const v1::ImageFsInfoRequest*, v1::ImageFsInfoResponse*) override;

 private:
  grpc::ServerUnaryReactor* answer(Lane lane, grpc::CallbackServerContext* context, std::function<Result<void>()> work,
                                   const char* handler = __builtin_FUNCTION()) {
    return cri::answer(backend_.workers, lane, context, std::move(work), handler);
  }
  std::vector<v1::Image> list(const v1::ImageFilter& filter) const;

  Backend& backend_;
};

// The kubelet knows why a pull failed by how the message begins, and only where the code is UNKNOWN.
Error as_pull_error(Error error);

}  // namespace slipway::cri
