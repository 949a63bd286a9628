// Reading a container's output into its log.
#include "monitor/container_io.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::monitor {
namespace {

constexpr std::size_t kReadSize = 32 * 1024;
constexpr std::size_t kSmallestRead = 512;
constexpr std::size_t kGrowth = 42;  // bytes of log for a byte that is a newline: the prefix, and itself

// One thread: all containers share them.
std::array<char, kReadSize> read_buffer;
LogBatch batch;

}  // namespace

ContainerIo::~ContainerIo() {
  if (!drained_) {
    log_.begin_loss();  // what the log has no room for now is lost, and said to be
    drain();
  }
  out_.watch.stop();
  err_.watch.stop();
  if (hold_ != nullptr) (void)::munmap(hold_, 2 * kMaxLine);
}

Result<void> ContainerIo::open_log(LogWriter& writer, const std::string& log_path) {
  if (log_path.empty()) return {};
  return log_.open(writer, log_path);
}

// As much as the log takes for sure, whatever it is; 0: wait.
std::size_t ContainerIo::read_size() const {
  const std::size_t room = log_.room();
  if (log_.losing() || room > (kReadSize + kMaxLine) * kGrowth) return kReadSize;
  const std::size_t size = room > 2 * kMaxLine ? (room - 2 * kMaxLine) / kGrowth : 0;
  return size < kSmallestRead ? 0 : size;
}

void ContainerIo::pause() {
  if (paused_at_ != 0) return;
  paused_at_ = now_monotonic();
  look_again_at_ = paused_at_ + kPatience;
  out_.watch.stop();  // not only silenced: an end would be told all the same, again and again
  err_.watch.stop();
  go_on(paused_at_);
}

void ContainerIo::resume() {
  paused_at_ = look_again_at_ = 0;
  for (Source* const source : {&out_, &err_})
    if (source->fd.valid()) (void)source->watch.start(loop_, source->fd, EPOLLIN, [this, source](std::uint32_t) { on_ready(*source); });
}

void ContainerIo::go_on(MonotonicNanos now) {
  // Before anything is looked at: what moves from here on wakes us.
  if (paused_at_ != 0 || (draining_ && !told())) log_.want_progress();
  if (paused_at_ != 0 && read_size() > 0) {
    resume();
  } else if (paused_at_ != 0 && now >= look_again_at_) {
    // A writer that waits for a processor, as the container does, is not a disk that stalls.
    if (log_.stuck() || now >= paused_at_ + kLongestPatience) {
      log_.begin_loss();
      resume();
    } else {
      look_again_at_ = now + kPatience / 4;
    }
  }
  if (draining_ && !drained_) drain();
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
  TRY(sys::set_nonblocking(fd));
  source.stream = stream;
  source.formatter.emplace(stream, std::span(hold_ + (stream == Stream::out ? 0 : kMaxLine), kMaxLine));
  source.fd = std::move(fd);
  return source.watch.start(loop_, source.fd, EPOLLIN, [this, at = &source](std::uint32_t) { on_ready(*at); });
}

Result<ContainerEnds> ContainerIo::make_pipes(bool want_stdin, bool stdin_once) {
  ContainerEnds ends;
  stdin_once_ = stdin_once;
  if (want_stdin) {
    TRY_ASSIGN(sys::Pipe in, sys::make_pipe());
    TRY(sys::set_nonblocking(in.write));
    ends.in = std::move(in.read);
    stdin_ = std::move(in.write);
  }
  TRY_ASSIGN(sys::Pipe out, sys::make_pipe());
  TRY_ASSIGN(sys::Pipe err, sys::make_pipe());
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
  const std::size_t size = read_size();
  if (size == 0) return Read::full;
  const ssize_t n = sys::retry_eintr([&] { return ::read(source.fd.get(), read_buffer.data(), size); });
  if (n > 0) {
    count = static_cast<std::size_t>(n);
    source.formatter->feed({read_buffer.data(), count}, now_realtime(), batch, log_);
    attached_.write(source.stream, {read_buffer.data(), count});  // after the log: nobody comes before it
    return Read::some;
  }
  if (n < 0 && errno == EAGAIN) return Read::empty;
  return Read::end;  // 0 of a pipe without writers; EIO of a pty whose other side nobody holds
}

void ContainerIo::on_ready(Source& source) {
  std::size_t count = 0;
  const Read read = read_once(source, count);
  if (read == Read::full) return pause();
  if (read != Read::end) return;
  source.formatter->flush(now_realtime(), batch, log_);
  source.watch.stop();
  source.fd.reset();
}

// False: the log has no room; the rest is read when it has.
bool ContainerIo::drain(Source& source) {
  for (std::size_t count = 0; source.fd.valid() && source.drained < kDrainLimit; source.drained += count) {
    const Read read = read_once(source, count);
    if (read == Read::full) return false;
    if (read != Read::some) break;
  }
  if (source.formatter) source.formatter->flush(now_realtime(), batch, log_);
  return true;
}

void ContainerIo::drain() {
  draining_ = true;
  const bool out = drain(out_);
  const bool err = drain(err_);
  drained_ = out && err;
  if (drained_) log_.settle_loss();
  if (!told()) log_.want_progress();
}

Result<void> ContainerIo::close_stdin() {
  if (console_) return fail(Code::failed_precondition, "the container has a terminal: its input cannot be closed apart");
  stdin_.reset();
  return {};
}

Result<void> ContainerIo::attach(UniqueFd out, UniqueFd err) {
  if (out) TRY(attached_.add(std::move(out), Stream::out));
  if (err && !console_) TRY(attached_.add(std::move(err), Stream::err));
  return {};
}

Result<UniqueFd> ContainerIo::lend_input() {
  const UniqueFd& from = console_ ? out_.fd : stdin_;
  if (!console_ && stdin_once_) return std::move(stdin_);
  if (!from) return UniqueFd();
  return sys::copy_fd(from);
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
