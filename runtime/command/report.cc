// Errors on stderr and where a caller reads them from: a file, syslog, the journal.
#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include "base/time.h"
#include "oci/json.h"
#include "runtime/command/command.h"
#include "runtime/command/log_socket.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

struct ErrorLog {
  std::string path;
  bool json = false;
  std::optional<LogService> service;  // instead of a file
  std::string name;                   // who speaks, to a service
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
bool write_log(const Error& error, Severity severity) {
  const std::string_view level = severity == Severity::error ? "error" : "warning";
  if (error_log().service) return send_to_log(*error_log().service, error_log().name, severity, error.message).ok();
  if (error_log().path.empty()) return false;
  const auto file = open_log(error_log().path);
  if (file.ok()) (void)sys::write_all(file.value(), log_line(error, level));
  return file.ok();
}

void write_stderr(std::string_view prefix, const Error& error) {
  (void)sys::write_all(FdRef(STDERR_FILENO), fmt::format("{}{}\n", prefix, error.message));
}

Result<void> set_service(LogService service, std::string_view name) {
  TRY(find_log(service).context("--log"));
  error_log() = {"", false, service, name.empty() ? "slipway" : std::string(name)};
  return {};
}

}  // namespace

Result<void> set_error_log(std::string_view path, bool json) {
  if (path.starts_with("journald:")) return set_service(LogService::journal, path.substr(9));
  if (path.starts_with("syslog:")) return set_service(LogService::syslog, path.substr(7));
  if (path.starts_with("file:")) path.remove_prefix(5);
  if (!path.empty()) TRY(open_log(std::string(path)));
  error_log() = {std::string(path), json, std::nullopt, ""};
  return {};
}

void report_error(const Error& error) {
  write_stderr("slipway: ", error);
  write_log(error, Severity::error);
}

void report_warning(const Error& error) {
  if (!write_log(error, Severity::warning)) write_stderr("slipway: warning: ", error);
}

bool report_line(log::Level level, std::string_view message) {
  if (level < log::Level::warn) return false;
  report_warning(Error{Code::unknown, 0, std::string(message)});
  return true;
}

}  // namespace slipway::runtime::command
