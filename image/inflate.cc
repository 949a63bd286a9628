// Streaming decompression.
#include "image/inflate.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

namespace slipway::image {
namespace {

class Copier : public Inflater {
 public:
  explicit Copier(PipeWriter& out) : out_(out) {}
  Result<void> add(std::string_view packed) override { return out_.add(packed); }
  Result<void> finish() override { return out_.flush(); }

 private:
  PipeWriter& out_;
};

class Gunzip : public Inflater {
 public:
  explicit Gunzip(PipeWriter& out) : out_(out), state_(std::make_unique<inflate_state>()) { start(); }

  Result<void> add(std::string_view packed) override {
    state_->next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(packed.data()));
    state_->avail_in = static_cast<std::uint32_t>(packed.size());
    for (;;) {
      if (state_->block_state == ISAL_BLOCK_FINISH) {
        if (state_->avail_in == 0) return {};
        restart();  // another member follows
      }
      char* data = nullptr;
      std::size_t size = 0;
      TRY(out_.room(data, size));
      state_->next_out = reinterpret_cast<std::uint8_t*>(data);
      state_->avail_out = static_cast<std::uint32_t>(size);
      if (const int r = isal_inflate(state_.get()); r != ISAL_DECOMP_OK) return bad(r);
      any_ = true;
      const std::size_t got = size - state_->avail_out;
      if (got > 0) TRY(out_.used(got));
      // Output that did not fit waits inside the state: go on until a round leaves room.
      if (state_->avail_in == 0 && state_->avail_out > 0) return {};
    }
  }

  Result<void> finish() override {
    if (!any_ || state_->block_state != ISAL_BLOCK_FINISH) return fail(Code::data_loss, "gzip: the stream ends early");
    return out_.flush();
  }

 private:
  void start() {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
  }
  void restart() {
    std::uint8_t* const next = state_->next_in;
    const std::uint32_t left = state_->avail_in;
    start();
    state_->next_in = next;
    state_->avail_in = left;
  }
  static Error bad(int r) {
    if (r == ISAL_INCORRECT_CHECKSUM) return fail(Code::data_loss, "gzip: wrong checksum");
    if (r == ISAL_INVALID_WRAPPER || r == ISAL_UNSUPPORTED_METHOD) return fail(Code::data_loss, "gzip: not a gzip stream");
    return fail(Code::data_loss, "gzip: damaged stream (igzip says {})", r);
  }

  PipeWriter& out_;
  std::unique_ptr<inflate_state> state_;
  bool any_ = false;
};

struct FreeZstd {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class Unzstd : public Inflater {
 public:
  explicit Unzstd(PipeWriter& out) : out_(out), context_(ZSTD_createDCtx()) {}

  Result<void> add(std::string_view packed) override {
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    for (;;) {
      char* data = nullptr;
      std::size_t size = 0;
      TRY(out_.room(data, size));
      ZSTD_outBuffer out{data, size, 0};
      const std::size_t r = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(r)) return fail(Code::data_loss, "zstd: {}", ZSTD_getErrorName(r));
      any_ = true;
      complete_ = r == 0;
      if (out.pos > 0) TRY(out_.used(out.pos));
      // At a frame's end a further call would only ask for the next frame's header.
      if (in.pos == in.size && (complete_ || out.pos < out.size)) return {};
    }
  }

  Result<void> finish() override {
    if (!any_ || !complete_) return fail(Code::data_loss, "zstd: the stream ends early");
    return out_.flush();
  }

 private:
  PipeWriter& out_;
  std::unique_ptr<ZSTD_DCtx, FreeZstd> context_;
  bool any_ = false, complete_ = false;
};

}  // namespace

Result<void> PipeWriter::room(char*& data, std::size_t& size) {
  if (buffer_.empty()) {
    TRY_ASSIGN(buffer_, pipe_.take_empty());
    filled_ = 0;
  }
  data = buffer_.data() + filled_;
  size = buffer_.size() - filled_;
  return {};
}

Result<void> PipeWriter::used(std::size_t size) {
  filled_ += size;
  return filled_ == buffer_.size() ? flush() : Result<void>();
}

Result<void> PipeWriter::add(std::string_view bytes) {
  while (!bytes.empty()) {
    char* data = nullptr;
    std::size_t size = 0;
    TRY(room(data, size));
    size = std::min(size, bytes.size());
    std::memcpy(data, bytes.data(), size);
    TRY(used(size));
    bytes.remove_prefix(size);
  }
  return {};
}

Result<void> PipeWriter::flush() {
  if (buffer_.empty() || filled_ == 0) return {};
  buffer_.resize(filled_);
  pipe_.put(std::move(buffer_));
  buffer_.clear();
  filled_ = 0;
  return {};
}

std::unique_ptr<Inflater> make_inflater(oci::LayerForm form, PipeWriter& out) {
  switch (form) {
    case oci::LayerForm::gzip: return std::make_unique<Gunzip>(out);
    case oci::LayerForm::zstd: return std::make_unique<Unzstd>(out);
    case oci::LayerForm::tar: break;
  }
  return std::make_unique<Copier>(out);
}

oci::LayerForm sniff_form(std::string_view first) {
  if (first.starts_with("\x1f\x8b")) return oci::LayerForm::gzip;
  if (first.starts_with("\x28\xb5\x2f\xfd")) return oci::LayerForm::zstd;
  return oci::LayerForm::tar;
}

}  // namespace slipway::image
