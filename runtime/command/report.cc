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

void report(std::string_view prefix, std::string_view level, const Error& error) {
  (void)sys::write_all(FdRef(STDERR_FILENO), fmt::format("{}{}\n", prefix, error.message));
  if (error_log().path.empty()) return;
  const auto file = sys::open_path(error_log().path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644);
  if (file.ok()) (void)sys::write_all(file.value(), log_line(error, level));
}

}  // namespace

void set_error_log(const std::string& path, bool json) {
  error_log() = {path, json};
}

void report_error(const Error& error) {
  report("slipway: ", "error", error);
}

void report_warning(const Error& error) {
  report("slipway: warning: ", "warning", error);
}

}  // namespace slipway::runtime::command
