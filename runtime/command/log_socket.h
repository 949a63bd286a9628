// Where `--log syslog:NAME` and `--log journald:NAME` go: one datagram a message.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::runtime::command {

enum class LogService {
  syslog,   // /dev/log (RFC 3164, as syslog(3) writes it)
  journal,  // journald's own socket (systemd's "Native Journal Protocol")
};

enum class Severity { error = 3, warning = 4 };  // of syslog(3) and of PRIORITY=

// failed_precondition: nobody listens.
Result<void> send_to_log(LogService service, std::string_view name, Severity severity, std::string_view message);
// The same without a message.
Result<void> find_log(LogService service);

}  // namespace slipway::runtime::command
