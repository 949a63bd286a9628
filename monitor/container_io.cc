// Reading a container's output into its log.
#include "monitor/container_io.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"

namespace slipway::monitor {
namespace {

constexpr std::size_t kReadSize = 32 * 1024;

// One thread: all containers share them.
std::array<char, kReadSize> read_buffer;
LogBatch batch;

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<void> set_nonblocking(FdRef fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno(errno, "make a descriptor non-blocking");
  return {};
}

}  // namespace

ContainerIo::~ContainerIo() {
  drain();
  out_.watch.stop();
  err_.watch.stop();
  if (hold_ != nullptr) (void)::munmap(hold_, 2 * kMaxLine);
}

Result<void> ContainerIo::open_log(const std::string& log_path) {
  if (log_path.empty()) return {};
  TRY_ASSIGN(log_, LogFile::open(log_path));
  return {};
}

Result<void> ContainerIo::make_hold() {
  if (hold_ != nullptr) return {};
  void* pages = ::mmap(nullptr, 2 * kMaxLine, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return fail_errno(errno, "map the line buffers");
  hold_ = static_cast<char*>(pages);
  return {};
}

Result<void> ContainerIo::begin(Source& source, UniqueFd fd, Stream stream) {
  TRY(make_hold());
  TRY(set_nonblocking(fd));
  source.formatter.emplace(stream, std::span(hold_ + (stream == Stream::out ? 0 : kMaxLine), kMaxLine));
  source.fd = std::move(fd);
  return source.watch.start(loop_, source.fd, EPOLLIN, [this, at = &source](std::uint32_t) { on_ready(*at); });
}

Result<ContainerEnds> ContainerIo::make_pipes(bool want_stdin) {
  ContainerEnds ends;
  if (want_stdin) {
    TRY_ASSIGN(Pipe in, make_pipe());
    TRY(set_nonblocking(in.write));
    ends.in = std::move(in.read);
    stdin_ = std::move(in.write);
  }
  TRY_ASSIGN(Pipe out, make_pipe());
  TRY_ASSIGN(Pipe err, make_pipe());
  TRY(begin(out_, std::move(out.read), Stream::out));
  TRY(begin(err_, std::move(err.read), Stream::err));
  ends.out = std::move(out.write);
  ends.err = std::move(err.write);
  return ends;
}

Result<void> ContainerIo::take_console(UniqueFd master) {
  console_ = true;
  return begin(out_, std::move(master), Stream::out);
}

ContainerIo::Read ContainerIo::read_once(Source& source, std::size_t& count) {
  const ssize_t n = sys::retry_eintr([&] { return ::read(source.fd.get(), read_buffer.data(), read_buffer.size()); });
  if (n > 0) {
    count = static_cast<std::size_t>(n);
    source.formatter->feed({read_buffer.data(), count}, now_realtime(), batch, log_);
    return Read::some;
  }
  if (n < 0 && errno == EAGAIN) return Read::empty;
  return Read::end;  // 0 of a pipe without writers; EIO of a pty whose other side nobody holds
}

void ContainerIo::on_ready(Source& source) {
  std::size_t count = 0;
  if (read_once(source, count) != Read::end) return;
  source.formatter->flush(now_realtime(), batch, log_);
  source.watch.stop();
  source.fd.reset();
  if (!open()) log_.finish();
}

void ContainerIo::drain(Source& source) {
  if (!source.fd.valid()) return;
  for (std::size_t total = 0, count = 0; total < kDrainLimit; total += count)
    if (read_once(source, count) != Read::some) break;
  source.formatter->flush(now_realtime(), batch, log_);
}

void ContainerIo::drain() {
  drain(out_);
  drain(err_);
  log_.finish();
}

Result<void> ContainerIo::close_stdin() {
  if (console_) return fail(Code::failed_precondition, "the container has a terminal: its input cannot be closed apart");
  stdin_.reset();
  return {};
}

Result<void> ContainerIo::resize(unsigned width, unsigned height) {
  if (!console_) return fail(Code::failed_precondition, "the container has no terminal");
  if (!out_.fd.valid()) return fail(Code::failed_precondition, "the container's terminal is closed");
  if (width > UINT16_MAX || height > UINT16_MAX) return fail(Code::invalid_argument, "a terminal of {} × {}", width, height);
  const winsize size{static_cast<unsigned short>(height), static_cast<unsigned short>(width), 0, 0};
  if (::ioctl(out_.fd.get(), TIOCSWINSZ, &size) != 0) return fail_errno(errno, "resize the terminal");
  return {};
}

}  // namespace slipway::monitor
