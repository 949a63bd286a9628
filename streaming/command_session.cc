// The pumps of one exec or attach, and its end.
#include "streaming/command_session.h"

#include <sys/ioctl.h>
#include <termios.h>

#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <utility>

#include "base/log.h"
#include "streaming/pumps.h"
#include "sys/descriptor.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;
using Failure = boost::system::error_code;
using Streams = std::shared_ptr<engine::ProcessStreams>;

constexpr std::size_t kInputFull = 128 * 1024;

class CommandSession final : public CommandEvents, public std::enable_shared_from_this<CommandSession> {
 public:
  CommandSession(const asio::any_io_executor& loop, Jobs& jobs, std::shared_ptr<CommandWire> wire, CommandStart start)
      : loop_(loop), jobs_(jobs), wire_(std::move(wire)), start_(std::move(start)), patience_(loop), ended_(loop) {}

  void run() {
    // Weak: a session that has ended is not kept by what it no longer waits for.
    input_ = std::make_shared<InputPump>(loop_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->input_changed();
    });
    patience_.expires_after(start_.creation);
    patience_.async_wait([weak = weak_from_this()](const Failure& failure) {
      const auto self = weak.lock();
      if (!failure && self && !self->ready_) self->fail_with(fail(Code::deadline_exceeded, "the client did not open its streams in time"));
    });
    wire_->start(shared_from_this());
  }

  void on_ready() override {
    if (std::exchange(ready_, true)) return;
    Failure ignored;
    patience_.cancel(ignored);
    input_changed();
    jobs_.run(
        loop_,
        [open = start_.open]() -> std::shared_ptr<Result<Streams>> {
          auto opened = open();
          if (!opened.ok()) return std::make_shared<Result<Streams>>(opened.error());
          return std::make_shared<Result<Streams>>(Streams(std::move(opened).take()));
        },
        [self = shared_from_this()](const std::shared_ptr<Result<Streams>>& opened) { self->opened(*opened); });
  }

  void on_input(std::string_view bytes) override {
    input_->push(bytes);
    input_changed();
  }
  void on_input_end() override {
    if (!start_.channels.tty) input_->finish();  // a terminal's input has no end of its own
  }
  void on_resize(TerminalSize size) override {
    size_ = size;
    apply_size();
  }
  void on_writable() override {
    for (const auto& each : {out_, err_})
      if (each) each->resume();
  }
  void on_gone(const std::string& why) override {
    log::debug("streaming: {}", why);
    stop();
  }

 private:
  void opened(Result<Streams>& result) {
    if (stopped_) {
      if (result.ok()) destroy(std::move(result.value()));
      return;
    }
    if (!result.ok()) return fail_with(result.error());
    streams_ = std::move(result.value());
    apply_size();
    input_->start(std::move(streams_->in));
    input_changed();
    out_ = pump(std::move(streams_->out), Channel::out);
    err_ = pump(std::move(streams_->err), Channel::err);
    watch_end();
    for (const auto& each : {out_, err_})
      if (each) each->start();
    settle();
  }

  std::shared_ptr<OutputPump> pump(UniqueFd fd, Channel channel) {
    if (!fd) return nullptr;
    OutputPump::Client client;
    client.full = [weak = weak_from_this()] {
      const auto self = weak.lock();
      return self && self->wire_->full();
    };
    client.data = [weak = weak_from_this(), channel](std::string_view bytes) {
      if (const auto self = weak.lock()) self->wire_->send(channel, bytes);
    };
    client.end = [weak = weak_from_this(), channel] {
      if (const auto self = weak.lock()) self->output_ended(channel);
    };
    return std::make_shared<OutputPump>(loop_, std::move(fd), std::move(client));
  }

  void watch_end() {
    if (streams_->ended().get() < 0) {
      exited_ = true;
      return;
    }
    auto copy = sys::copy_fd(streams_->ended());
    if (!copy.ok()) return fail_with(copy.error());
    Failure failure;
    ended_.assign(std::move(copy).take().release(), failure);
    ended_.async_wait(asio::posix::stream_descriptor::wait_read, [weak = weak_from_this()](const Failure& wait_failure) {
      const auto self = weak.lock();
      if (!self || self->stopped_ || wait_failure) return;
      self->exited_ = true;
      for (const auto& each : {self->out_, self->err_})
        if (each) each->last();
      self->settle();
    });
  }

  void output_ended(Channel channel) {
    (channel == Channel::out ? out_ : err_).reset();
    wire_->finish(channel);
    settle();
  }

  // The end: the process is gone and all that it said is on its way.
  void settle() {
    if (stopped_ || !streams_ || !exited_ || out_ || err_) return;
    const auto code = streams_->exit_code();
    say_last(code.ok() ? exit_status(wire_->version(), code.value()) : failure_status(wire_->version(), code.error()));
  }

  void fail_with(const Error& error) {
    if (stopped_) return;
    say_last(failure_status(wire_->version(), error));
  }

  void say_last(const std::string& status) {
    const auto self = shared_from_this();
    wire_->send(Channel::error, status);
    for (const Channel channel : {Channel::in, Channel::out, Channel::err, Channel::error, Channel::resize}) wire_->finish(channel);
    wire_->end();
    stop();
  }

  void input_changed() {
    const bool clogged = input_->size() >= kInputFull || (ready_ && !streams_);  // also before there is anybody to take it
    if (clogged != clogged_ && !stopped_) {
      clogged_ = clogged;
      wire_->pause(clogged);
    }
  }

  void apply_size() {
    if (!size_ || !streams_ || !streams_->terminal) return;
    const winsize size{size_->height, size_->width, 0, 0};
    (void)::ioctl(streams_->terminal.get(), TIOCSWINSZ, &size);
  }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    const auto self = shared_from_this();
    Failure ignored;
    patience_.cancel(ignored);
    if (ended_.is_open()) ended_.close(ignored);
    input_->stop();
    for (auto* each : {&out_, &err_})
      if (const auto open = std::exchange(*each, nullptr)) open->stop();
    if (streams_) destroy(std::move(streams_));
  }

  // It may wait for the monitor.
  void destroy(Streams streams) {
    auto held = std::make_shared<Streams>(std::move(streams));
    jobs_.post([held] { held->reset(); });
  }

  const asio::any_io_executor loop_;
  Jobs& jobs_;
  const std::shared_ptr<CommandWire> wire_;
  const CommandStart start_;
  asio::steady_timer patience_;
  asio::posix::stream_descriptor ended_;
  std::shared_ptr<InputPump> input_;
  std::shared_ptr<OutputPump> out_, err_;
  Streams streams_;
  std::optional<TerminalSize> size_;
  bool ready_ = false;
  bool exited_ = false;
  bool clogged_ = false;
  bool stopped_ = false;
};

}  // namespace

void run_command_session(const asio::any_io_executor& loop, Jobs& jobs, std::shared_ptr<CommandWire> wire, CommandStart start) {
  std::make_shared<CommandSession>(loop, jobs, std::move(wire), std::move(start))->run();
}

}  // namespace slipway::streaming
