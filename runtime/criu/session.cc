// criu as a child, and the turns of the conversation.
#include "runtime/criu/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "runtime/criu/process.h"
#include "runtime/devices.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace slipway::runtime::criu {
namespace {

constexpr std::size_t kPacketLimit = 64 << 10;
constexpr off_t kLogPart = 256 << 10;
constexpr std::size_t kQuoted = 2000;
constexpr std::size_t kLastErrors = 3;
constexpr int kEndTimeout = 10'000;  // ms
constexpr const char* kUsualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string search_path() {
  const char* path = ::getenv("PATH");
  return path != nullptr && *path != '\0' ? path : kUsualPath;
}

// The end of a file, where the reasons are. "" where there is none.
std::string read_end(FdRef file) {
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  const off_t from = std::max<off_t>(size - kLogPart, 0);
  if (size <= 0 || ::lseek(file.get(), from, SEEK_SET) != from) return "";
  auto text = sys::read_fd(file, static_cast<std::size_t>(kLogPart) * 2);
  return text.ok() ? std::move(text).take() : "";
}

std::string tidy(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// False: the deadline has passed.
Result<bool> wait_for_word(FdRef socket, MonotonicNanos deadline) {
  if (deadline == 0) return true;
  const auto left = std::clamp<MonotonicNanos>((deadline - now_monotonic()) / 1'000'000, 0, 3'600'000);
  return sys::poll_readable(socket, static_cast<int>(left));
}

}  // namespace

Result<std::string> find_program(const std::string& asked) {
  if (asked.find('/') != std::string::npos) {
    if (sys::is_program(asked)) return asked;
    return fail(Code::not_found, "criu: '{}' is no program", asked);
  }
  const std::string name = asked.empty() ? "criu" : asked;
  const std::string path = search_path();
  std::string found = sys::find_program(name, path);
  if (!found.empty()) return found;
  return fail(Code::not_found, "'{}' was not found in PATH '{}': checkpoint and restore need CRIU (criu.org), or --criu FILE", name, path);
}

std::string quote_errors(std::string_view log) {
  std::vector<std::string_view> errors;
  while (!log.empty()) {
    const std::string_view line = cut(log, '\n');
    const std::size_t at = line.find("Error (");
    if (at != std::string_view::npos) errors.push_back(line.substr(at, kQuoted / 4));
  }
  std::string out;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (i == 1 && errors.size() > 1 + kLastErrors) {
      out += "; …";
      i = errors.size() - kLastErrors;
    }
    out += fmt::format("{}{}", out.empty() ? "" : "; ", errors[i]);
  }
  return out;
}

Result<Session> Session::start(const Start& start) {
  TRY_ASSIGN(auto pair, sys::seqpacket_pair());
  TRY_ASSIGN(UniqueFd output, sys::memory_file("slipway-criu", ""));
  TRY_ASSIGN(const UniqueFd null, open_null(O_RDWR));
  CriuProcess process;
  process.program = start.program;
  process.env = {"PATH=" + search_path()};  // for tar, ip and iptables-restore; not HOME: a user's settings are not the container's
  process.descriptors = {null.get(), output.get(), output.get(), pair.second.get()};
  process.descriptors.insert(process.descriptors.end(), start.inherited.begin(), start.inherited.end());
  process.no_new_privileges = start.no_new_privileges;
  process.keyring = start.keyring;
  TRY_ASSIGN(sys::Child child, start_criu(process));
  return Session(std::move(child), std::move(pair.first), std::move(output));
}

Result<Response> Session::converse(const Asked& asked) {
  TRY(sys::send_packet(socket_, encode_request(asked.kind, asked.options)));
  for (;;) {
    TRY_ASSIGN(const bool in_time, wait_for_word(socket_, asked.deadline));
    if (!in_time) return fail(Code::deadline_exceeded, "criu was not ready in time");
    TRY_ASSIGN(sys::Packet packet, sys::receive_packet(socket_, kPacketLimit));
    if (packet.eof) return fail(Code::aborted, "criu ended without an answer");
    TRY_ASSIGN(Response response, decode_response(packet.data));
    if (response.kind != Kind::notify) {
      if (response.success) return response;
      if (response.error != 0) return fail_errno(response.error, "criu failed");
      return fail(Code::aborted, "criu failed");
    }
    Notification notification{response.script, response.pid, packet.fds.empty() ? UniqueFd() : std::move(packet.fds[0])};
    auto done = asked.notified ? asked.notified(std::move(notification)) : Result<void>{};
    auto sent = sys::send_packet(socket_, encode_notified(done.ok()));
    if (done.ok()) {
      TRY(std::move(sent));
      continue;
    }
    // criu takes back what it did; its own words would only say that we said no.
    (void)sys::receive_packet(socket_, kPacketLimit);
    return std::move(done).error().within("criu's notification '{}'", response.script);
  }
}

Error Session::explain(const Asked& asked, const Error& error) {
  std::string why;
  auto file = sys::open_regular_at(FdRef(asked.log_dir), asked.options.log_file);
  if (file.ok()) why = quote_errors(read_end(file.value()));
  if (why.empty()) why = tidy(read_end(output_));
  if (why.size() > kQuoted) why.erase(0, why.size() - kQuoted);
  Error out = error;
  out.message += fmt::format(" (its log: {}){}{}", asked.log_path, why.empty() ? "" : ": ", why);
  return out;
}

Result<Response> Session::ask(const Asked& asked) {
  (void)::unlinkat(asked.log_dir, asked.options.log_file.c_str(), 0);  // that of an earlier attempt would be quoted for this one
  auto answered = converse(asked);
  socket_.reset();  // criu waits for nothing more of us
  auto ended = child_.wait_for(kEndTimeout);
  if (!answered.ok()) return explain(asked, answered.error());
  if (!ended.ok()) return std::move(ended).error().within("wait for criu");
  if (!ended.value()) return explain(asked, fail(Code::deadline_exceeded, "criu answered but did not end in {} ms", kEndTimeout));
  if (ended.value()->code != 0) return explain(asked, fail(Code::aborted, "criu answered but ended with status {}", ended.value()->code));
  return answered;
}

}  // namespace slipway::runtime::criu
