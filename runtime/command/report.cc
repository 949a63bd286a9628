// Errors on stderr and in the file that a caller reads them from.
#include <fcntl.h>
#include <unistd.h>

#include "base/time.h"
#include "oci/json.h"
#include "runtime/command/command.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

struct ErrorLog {
  std::string path;
  bool json = false;
};

ErrorLog& error_log() {
  static ErrorLog log;
  return log;
}

// The fields and their order are what callers of runc parse.
std::string log_line(const Error& error, std::string_view level) {
  const std::string time = to_rfc3339(now_realtime());
  std::string message;
  oci::json::append_quoted(message, error.message);
  return error_log().json ? fmt::format("{{\"level\":\"{}\",\"msg\":{},\"time\":\"{}\"}}\n", level, message, time)
                          : fmt::format("time=\"{}\" level={} msg={}\n", time, level, message);
}

Result<UniqueFd> open_log(const std::string& path) {
  return sys::open_path(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644).context("--log");
}

// False: there is none.
bool write_log(const Error& error, std::string_view level) {
  if (error_log().path.empty()) return false;
  const auto file = open_log(error_log().path);
  if (file.ok()) (void)sys::write_all(file.value(), log_line(error, level));
  return file.ok();
}

void write_stderr(std::string_view prefix, const Error& error) {
  (void)sys::write_all(FdRef(STDERR_FILENO), fmt::format("{}{}\n", prefix, error.message));
}

}  // namespace

Result<void> set_error_log(std::string_view path, bool json) {
  if (path.starts_with("file:")) path.remove_prefix(5);
  if (path.starts_with("journald:") || path.starts_with("syslog:"))
    return fail(Code::invalid_argument, "--log: '{}': only files are written; systemd-cat(1) and logger(1) take what comes on stderr",
                path);
  if (!path.empty()) TRY(open_log(std::string(path)));
  error_log() = {std::string(path), json};
  return {};
}

void report_error(const Error& error) {
  write_stderr("slipway: ", error);
  write_log(error, "error");
}

void report_warning(const Error& error) {
  if (!write_log(error, "warning")) write_stderr("slipway: warning: ", error);
}

bool report_line(log::Level level, std::string_view message) {
  if (level < log::Level::warn) return false;
  report_warning(Error{Code::unknown, 0, std::string(message)});
  return true;
}

}  // namespace slipway::runtime::command
