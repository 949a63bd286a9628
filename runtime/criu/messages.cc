// Field numbers of criu's protocol.
#include "runtime/criu/messages.h"

#include <limits>

#include "runtime/criu/wire.h"

namespace slipway::runtime::criu {
namespace {

constexpr int kLogLevel = 4;  // all: the log is what tells why

void text_unless_empty(Writer& out, unsigned field, const std::string& value) {
  if (!value.empty()) out.bytes(field, value);
}

void flag_if_set(Writer& out, unsigned field, bool value) {
  if (value) out.number(field, 1);
}

std::string pair(const std::string& first, const std::string& second) {
  Writer out;
  out.bytes(1, first);
  out.bytes(2, second);
  return out.text();
}

void write_flags(Writer& out, const Options& options) {
  flag_if_set(out, 3, options.leave_running);
  flag_if_set(out, 4, options.ext_unix_sk);
  flag_if_set(out, 5, options.tcp_established);
  flag_if_set(out, 6, options.evasive_devices);
  flag_if_set(out, 7, options.shell_job);
  flag_if_set(out, 8, options.file_locks);
  flag_if_set(out, 15, options.track_memory);
  flag_if_set(out, 16, options.auto_dedup);
  flag_if_set(out, 18, options.link_remap);
  flag_if_set(out, 26, options.restore_sibling);
  flag_if_set(out, 46, options.tcp_skip_in_flight);
  flag_if_set(out, 50, options.orphan_pts_master);
  flag_if_set(out, 52, options.tcp_close);
}

void write_lists(Writer& out, const Options& options) {
  for (const Inherited& inherited : options.inherited) {
    Writer one;
    one.bytes(1, inherited.key);
    one.number(2, inherited.fd);
    out.bytes(27, one.text());
  }
  for (const std::string& external : options.external) out.bytes(37, external);
  for (const Joined& joined : options.joined) out.bytes(39, pair(joined.kind, joined.path));
}

std::string encode_options(const Options& options) {
  Writer out;
  out.number(1, options.images_dir);
  if (options.pid > 0) out.number(2, options.pid);
  write_flags(out, options);
  out.number(9, kLogLevel);
  text_unless_empty(out, 10, options.log_file);
  out.number(12, 1);  // notifications
  text_unless_empty(out, 13, options.root);
  text_unless_empty(out, 14, options.parent_images);
  if (options.work_dir >= 0) out.number(17, options.work_dir);
  if (!options.cgroup_root.empty()) {
    Writer root;
    root.bytes(2, options.cgroup_root);  // without a controller: of all
    out.bytes(25, root.text());
  }
  write_lists(out, options);
  out.number(34, static_cast<std::int64_t>(options.cgroup_mode));
  if (options.empty_namespaces != 0) out.number(38, options.empty_namespaces);
  text_unless_empty(out, 44, options.freeze_cgroup);
  text_unless_empty(out, 51, options.config_file);
  text_unless_empty(out, 53, options.lsm_profile);
  text_unless_empty(out, 60, options.cgroup_yard);
  text_unless_empty(out, 63, options.lsm_mount_context);
  if (options.network_lock != NetworkLock::unset) out.number(64, static_cast<std::int64_t>(options.network_lock));
  return out.text();
}

Result<int> to_int(const Field& field) {
  const auto value = static_cast<std::int64_t>(field.value);
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
    return fail(Code::data_loss, "field {} of criu's answer is out of range", field.number);
  return static_cast<int>(value);
}

// In a message within the message: the number in field `number`.
Result<void> read_pid(std::string_view message, unsigned number, Response& out) {
  TRY_ASSIGN(const std::vector<Field> fields, read_fields(message));
  for (const Field& field : fields) {
    if (field.number == number) {
      TRY_ASSIGN(out.pid, to_int(field));
    } else if (field.number == 1) {
      out.script = field.bytes;
    }
  }
  return {};
}

Result<void> read_field(const Field& field, Response& out) {
  switch (field.number) {
    case 1: out.kind = field.value <= 255 ? static_cast<Kind>(field.value) : Kind::none; return {};
    case 2: out.success = field.value != 0; return {};
    case 4: return read_pid(field.bytes, 1, out);  // of a restore
    case 5: return read_pid(field.bytes, 2, out);  // of a notification, whose field 1 is its name
    case 7: {
      TRY_ASSIGN(out.error, to_int(field));
      return {};
    }
    default: return {};
  }
}

}  // namespace

std::string encode_request(Kind kind, const Options& options) {
  Writer out;
  out.number(1, static_cast<std::int64_t>(kind));
  out.bytes(2, encode_options(options));
  return out.text();
}

std::string encode_notified(bool success) {
  Writer out;
  out.number(1, static_cast<std::int64_t>(Kind::notify));
  out.number(3, success ? 1 : 0);
  return out.text();
}

Result<Response> decode_response(std::string_view message) {
  TRY_ASSIGN(const std::vector<Field> fields, read_fields(message).context("criu's answer"));
  Response out;
  for (const Field& field : fields) TRY(read_field(field, out));
  return out;
}

}  // namespace slipway::runtime::criu
