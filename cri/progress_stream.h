// A stream of a pull's or load's progress: the newest word on each layer, never more than the client takes.
//
// Owns itself until OnDone. report() and finish() come from one operation's threads, the rest from gRPC's.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <mutex>
#include <stop_token>
#include <vector>

#include "cri/answer.h"
#include "engine/ports.h"
#include "slipway/admin.pb.h"

namespace slipway::cri {

class ProgressStream final : public grpc::ServerWriteReactor<admin::Progress> {
 public:
  void report(const engine::Progress& progress);
  // The last call: with the images that are there now, or why there are none.
  void finish(const Result<std::vector<engine::ImageRecord>>& result);

  // The client does not want it any more.
  std::stop_token gone() const { return gone_.get_token(); }

  void OnWriteDone(bool ok) override;
  void OnCancel() override { gone_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  void put(admin::Progress message);
  void advance(std::unique_lock<std::mutex> lock);

  std::mutex mutex_;
  std::deque<admin::Progress> waiting_;
  admin::Progress current_;  // being written
  bool writing_ = false;
  bool broken_ = false;  // the client has gone: nobody is told
  bool finished_ = false;
  bool ended_ = false;
  grpc::Status status_;
  std::stop_source gone_;
};

}  // namespace slipway::cri
