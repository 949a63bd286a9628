// SPDY streams named stdin, stdout, stderr, error and resize, and what is at this end of them.
#include "cli/remote_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/format.h"
#include "cli/output.h"
#include "cli/stream_connection.h"
#include "cli/terminal.h"
#include "streaming/pumps.h"
#include "streaming/spdy_session.h"

namespace slipway::cli {
namespace {

namespace asio = boost::asio;
using streaming::StreamId;

constexpr std::size_t kMaxStatus = 64 * 1024;

// Standard input by a pipe that a thread fills: a file cannot be watched, and a terminal's descriptor is shared with the shell, so that it
// must not be made non-blocking. The thread ends with its input or its pipe, or with the program.
Result<UniqueFd> watchable_input() {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  UniqueFd read_end(pipe[0]);
  std::thread([write_end = std::make_shared<UniqueFd>(pipe[1])] {
    std::array<char, 32 * 1024> buffer;
    for (;;) {
      const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0 || !print_to(write_end->get(), {buffer.data(), static_cast<std::size_t>(n)}).ok()) return;
    }
  }).detach();
  if (::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "make a pipe non-blocking");
  return read_end;
}

class RemoteSession final : public streaming::TransportEvents,
                            public streaming::SpdyEvents,
                            public std::enable_shared_from_this<RemoteSession> {
 public:
  RemoteSession(asio::io_context& loop, std::shared_ptr<streaming::Transport> transport, const RemoteCommand& command)
      : loop_(loop),
        transport_(std::move(transport)),
        session_(*this, [this](std::string frame) { transport_->send(std::move(frame)); }),
        signals_(loop),
        command_(command) {}

  Result<void> start() {
    transport_->start(shared_from_this());
    error_ = open("error");
    out_ = open("stdout");
    if (!command_.tty) err_ = open("stderr");
    if (command_.in) in_ = open("stdin");
    if (command_.tty) resize_ = open("resize");
    tell_size();
    watch_signals();
    if (command_.in) TRY(watch_input());
    return {};
  }

  // After the loop.
  Result<int> result() {
    input_.reset();  // it holds this
    if (signal_ != 0) return 128 + signal_;
    if (!output_error_.ok()) return output_error_.error();
    if (!status_) return fail(Code::unavailable, "the session broke off: {}", why_);
    return exit_code(*status_);
  }

  void on_bytes(std::string_view bytes) override {
    if (const auto fed = session_.feed(bytes); !fed.ok()) transport_->abort(fed.error().message);
  }
  void on_writable() override {
    if (const auto input = input_) input->resume();
  }
  void on_gone(const std::string& why) override {
    why_ = why;
    stop();
  }

  void on_stream(StreamId, const streaming::Headers&) override {}
  void on_data(StreamId id, std::string_view data) override {
    if (id == error_) {
      if (!status_) status_.emplace();
      if (status_->size() + data.size() <= kMaxStatus) *status_ += data;
    } else if (id == out_ || id == err_) {
      output_error_ = print_to(id == out_ ? STDOUT_FILENO : STDERR_FILENO, data);
      if (!output_error_.ok()) transport_->abort("nobody reads the output");
    }
  }
  void on_finished(StreamId) override {}
  void on_reset(StreamId) override {}
  void on_going_away() override {}

 private:
  StreamId open(const char* type) { return session_.open({{"streamtype", type}}); }

  Result<void> watch_input() {
    TRY_ASSIGN(UniqueFd fd, watchable_input());
    streaming::OutputPump::Client client;
    client.full = [this] { return transport_->full(); };
    client.data = [this](std::string_view bytes) { session_.send(in_, bytes); };
    client.end = [this] { session_.finish(in_); };
    input_ = std::make_shared<streaming::OutputPump>(loop_.get_executor(), std::move(fd), std::move(client));
    input_->start();
    return {};
  }

  void watch_signals() {
    boost::system::error_code ignored;
    for (const int number : {SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT}) signals_.add(number, ignored);
    wait_for_signal();
  }
  void wait_for_signal() {
    signals_.async_wait([self = shared_from_this()](const boost::system::error_code& failure, int number) {
      if (failure) return;
      if (number == SIGWINCH) {
        self->tell_size();
        return self->wait_for_signal();
      }
      self->signal_ = number;
      self->transport_->abort("a signal");  // the server ends the command
    });
  }

  void tell_size() {
    if (!command_.tty) return;
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      if (const auto size = terminal_size(fd))
        return session_.send(resize_, fmt::format(R"({{"Width":{},"Height":{}}})", size->width, size->height));
  }

  void stop() {
    if (const auto input = input_) input->stop();
    boost::system::error_code ignored;
    signals_.cancel(ignored);
    loop_.stop();
  }

  // Kubernetes' Status: Success, or a cause named ExitCode, or a message alone.
  static Result<int> exit_code(const std::string& text) {
    const auto status = nlohmann::json::parse(text, nullptr, false);
    if (!status.is_object()) return fail(Code::internal, "the session's status cannot be read");
    const auto text_of = [](const nlohmann::json& object, const char* name) {
      const auto at = object.find(name);
      return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    if (text_of(status, "status") == "Success") return 0;
    const auto causes = status.value("/details/causes"_json_pointer, nlohmann::json::array());
    for (const auto& cause : causes) {
      if (!cause.is_object() || text_of(cause, "reason") != "ExitCode") continue;
      const std::string number = text_of(cause, "message");
      int code = 0;
      if (std::from_chars(number.data(), number.data() + number.size(), code).ec == std::errc()) return code;
    }
    return fail(Code::failed_precondition, "{}", text_of(status, "message"));
  }

  asio::io_context& loop_;
  const std::shared_ptr<streaming::Transport> transport_;
  streaming::SpdySession session_;
  asio::signal_set signals_;
  const RemoteCommand command_;
  StreamId error_ = 0, in_ = 0, out_ = 0, err_ = 0, resize_ = 0;
  std::shared_ptr<streaming::OutputPump> input_;
  std::optional<std::string> status_;
  std::string why_;
  Result<void> output_error_;
  int signal_ = 0;
};

}  // namespace

Result<int> run_remote(const RemoteCommand& command) {
  asio::io_context loop(1);
  TRY_ASSIGN(auto transport, connect_stream(loop, command.url, kCommandProtocol));
  const auto session = std::make_shared<RemoteSession>(loop, std::move(transport), command);
  std::optional<RawTerminal> raw;
  if (command.tty && command.in) raw.emplace(STDIN_FILENO);
  TRY(session->start());
  loop.run();
  return session->result();
}

}  // namespace slipway::cli
