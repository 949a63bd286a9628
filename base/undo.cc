// Running what must be taken back, last step first.
#include "base/undo.h"

#include "base/log.h"

namespace slipway {

std::vector<Error> Undo::run() {
  std::vector<Error> failed;
  while (!steps_.empty()) {
    auto [what, step] = std::move(steps_.back());
    steps_.pop_back();
    if (Result<void> r = step(); !r.ok()) {
      failed.push_back(std::move(r).error().within("undo {}", what));
      log::warn("{}", failed.back().message);  // nobody above may look at what an Undo could not do
    }
  }
  return failed;
}

}  // namespace slipway
