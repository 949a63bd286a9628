// The words of codes and of errnos.
#include "base/result.h"

#include <cstring>

namespace slipway {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::ok: return "ok";
    case Code::cancelled: return "cancelled";
    case Code::unknown: return "unknown";
    case Code::invalid_argument: return "invalid argument";
    case Code::deadline_exceeded: return "deadline exceeded";
    case Code::not_found: return "not found";
    case Code::already_exists: return "already exists";
    case Code::permission_denied: return "permission denied";
    case Code::resource_exhausted: return "resource exhausted";
    case Code::failed_precondition: return "failed precondition";
    case Code::aborted: return "aborted";
    case Code::out_of_range: return "out of range";
    case Code::unimplemented: return "unimplemented";
    case Code::internal: return "internal";
    case Code::unavailable: return "unavailable";
    case Code::data_loss: return "data loss";
    case Code::unauthenticated: return "unauthenticated";
  }
  return "unknown";
}

Code code_from_errno(int err) {
  switch (err) {
    case 0: return Code::ok;
    case ENOENT:
    case ESRCH: return Code::not_found;
    case EEXIST: return Code::already_exists;
    case EACCES:
    case EPERM:
    case EROFS: return Code::permission_denied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Code::resource_exhausted;
    case ETIMEDOUT: return Code::deadline_exceeded;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE: return Code::unavailable;
    default: return Code::internal;
  }
}

Error errno_error(int err, std::string what) {
  // strerrordesc_np is a table look-up: no locale, no lock, safe in every thread (glibc >= 2.32).
  const char* words = ::strerrordesc_np(err);
  what += ": ";
  what += words != nullptr ? std::string(words) : fmt::format("errno {}", err);
  return Error{code_from_errno(err), err, std::move(what)};
}

}  // namespace slipway
