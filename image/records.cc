// Image records in SQLite.
#include "image/records.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "base/fault.h"
#include "image/json_text.h"
#include "image/worker_protocol.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

std::string to_row(const engine::ImageRecord& record) {
  return to_text({{"repo_tags", record.repo_tags},
                  {"repo_digests", record.repo_digests},
                  {"size", record.size},
                  {"layers", record.layers},
                  {"config", write_config(record.config)},
                  {"pinned", record.pinned},
                  {"pulled_at", record.pulled_at}});
}

Result<engine::ImageRecord> from_row(const std::string& id, std::string_view text) {
  TRY_ASSIGN(const Json json, parse_json("record", text));
  engine::ImageRecord record;
  record.id = id;
  record.repo_tags = strings_member(json, "repo_tags");
  record.repo_digests = strings_member(json, "repo_digests");
  record.size = number_member(json, "size");
  record.layers = strings_member(json, "layers");
  record.pulled_at = static_cast<UnixNanos>(number_member(json, "pulled_at"));
  const Json* pinned = member(json, "pinned");
  record.pinned = pinned != nullptr && pinned->is_boolean() && pinned->get<bool>();
  TRY_ASSIGN(record.config, parse_config(string_member(json, "config")));
  return record;
}

}  // namespace

void Records::Close::operator()(sqlite3* connection) const {
  (void)sqlite3_close(connection);
}
void Records::Finalize::operator()(sqlite3_stmt* statement) const {
  (void)sqlite3_finalize(statement);
}

Error Records::error(const char* what) const {
  const int code = sqlite3_extended_errcode(connection_.get()) & 0xff;
  const Code ours = code == SQLITE_FULL                               ? Code::resource_exhausted
                    : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? Code::data_loss
                                                                      : Code::internal;
  return fail(ours, "{}: {}", what, sqlite3_errmsg(connection_.get()));
}

Result<std::unique_ptr<Records>> Records::open(const std::string& path) {
  // SQLite makes files by the umask; images' names are nobody else's business.
  TRY(sys::open_path(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  sqlite3* connection = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  std::unique_ptr<Records> records(new Records(connection));
  if (opened != SQLITE_OK) return records->error("open");
  TRY(records->execute("PRAGMA journal_mode=WAL"));
  TRY(records->execute("PRAGMA synchronous=FULL"));
  TRY(records->execute("PRAGMA cache_size=-256"));  // KiB: a node has hundreds of images, not millions
  TRY(records->migrate());
  return records;
}

Result<void> Records::execute(const char* sql) {
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error(sql);
  return {};
}

Result<Records::Statement> Records::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) return error(sql);
  return Statement(statement);
}

Result<void> Records::migrate() {
  int version = 0;
  {
    TRY_ASSIGN(const Statement statement, prepare("PRAGMA user_version"));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return error("read the schema's version");
    version = sqlite3_column_int(statement.get(), 0);
  }
  if (version > kSchemaVersion)
    return fail(Code::failed_precondition, "the records have form {}, this slipway knows {}", version, kSchemaVersion);
  if (version == kSchemaVersion) return {};
  TRY(execute("BEGIN IMMEDIATE"));
  TRY(execute("CREATE TABLE IF NOT EXISTS images (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"));
  TRY(execute("PRAGMA user_version=1"));
  return execute("COMMIT");
}

Result<std::vector<engine::ImageRecord>> Records::all() {
  TRY_ASSIGN(const Statement statement, prepare("SELECT id, record FROM images"));
  const auto text = [&](int column) {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), column));
    return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), column)));
  };
  std::vector<engine::ImageRecord> out;
  for (;;) {
    const int step = sqlite3_step(statement.get());
    if (step == SQLITE_DONE) return out;
    if (step != SQLITE_ROW) return error("read the images");
    const std::string id = text(0);
    TRY_ASSIGN(engine::ImageRecord record, from_row(id, text(1)).context("image {}", id));
    out.push_back(std::move(record));
  }
}

Result<void> Records::run(const char* sql, const std::vector<std::string>& values) {
  TRY_ASSIGN(const Statement statement, prepare(sql));
  for (std::size_t i = 0; i < values.size(); ++i)
    if (sqlite3_bind_text(statement.get(), static_cast<int>(i + 1), values[i].data(), static_cast<int>(values[i].size()), SQLITE_STATIC) !=
        SQLITE_OK)
      return error(sql);
  if (sqlite3_step(statement.get()) != SQLITE_DONE) return error(sql);
  return {};
}

Result<void> Records::change(const std::vector<engine::ImageRecord>& put, const std::vector<std::string>& removed) {
  const auto write = [&]() -> Result<void> {
    for (const engine::ImageRecord& record : put) TRY(run("INSERT OR REPLACE INTO images VALUES (?1, ?2)", {record.id, to_row(record)}));
    for (const std::string& id : removed) TRY(run("DELETE FROM images WHERE id = ?1", {id}));
    return execute("COMMIT");
  };
  TRY(fault::point("write image records"));
  TRY(execute("BEGIN IMMEDIATE"));
  auto r = write();
  if (!r.ok()) (void)execute("ROLLBACK");
  return r;
}

}  // namespace slipway::image
