// The SQLite file of the records: opening, migrating, and three prepared statements a table.
#include "engine/database.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "base/fault.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

const char* name_of(Table table) {
  return table == Table::pods ? "pods" : "containers";
}

std::string column(sqlite3_stmt* statement, int index) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
  return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, index)));
}

void bind(sqlite3_stmt* statement, int index, const std::string& text) {
  // SQLITE_STATIC: the text outlives the step, bindings are cleared after it.
  sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

}  // namespace

void Database::CloseConnection::operator()(sqlite3* connection) const {
  (void)sqlite3_close_v2(connection);
}
void Database::Finalize::operator()(sqlite3_stmt* statement) const {
  (void)sqlite3_finalize(statement);
}

Error Database::error(const char* what) const {
  const int code = sqlite3_errcode(connection_.get());
  const Code ours = code == SQLITE_FULL                               ? Code::resource_exhausted
                    : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? Code::data_loss
                                                                      : Code::internal;
  return fail(ours, "store: {}: {}", what, sqlite3_errmsg(connection_.get()));
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  // SQLite would make it 0644: records hold environments.
  TRY_ASSIGN(const UniqueFd file, sys::open_path(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  sqlite3* connection = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> database(new Database(connection));
  if (result != SQLITE_OK) return database->error("open").within("'{}'", path);
  (void)sqlite3_busy_timeout(connection, 5000);  // somebody looking with sqlite3(1)
  auto prepared = database->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-512;");
  if (prepared.ok()) prepared = database->migrate();
  if (!prepared.ok()) return std::move(prepared).error().within("'{}'", path);
  return database;
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error("execute");
  return {};
}

Result<int> Database::schema_version() {
  TRY_ASSIGN(const Statement statement, prepare("PRAGMA user_version"));
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return error("read the schema's version");
  return sqlite3_column_int(statement.get(), 0);
}

Result<void> Database::migrate() {
  TRY_ASSIGN(const int version, schema_version());
  if (version > kSchemaVersion)
    return fail(Code::failed_precondition, "store: its schema is version {}, this slipwayd knows up to {}", version, kSchemaVersion);
  if (version == kSchemaVersion) return {};
  return execute(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE pods(id TEXT PRIMARY KEY, committed INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE containers(id TEXT PRIMARY KEY, committed INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;"
      "PRAGMA user_version=1;"
      "COMMIT;");
}

Result<Database::Statement> Database::prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(connection_.get(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    return error("prepare");
  return Statement(statement);
}

Result<void> Database::put(Table table, const Row& row) {
  TRY(fault::point("write a record"));
  Statement& statement = put_[static_cast<int>(table)];
  if (!statement) {
    TRY_ASSIGN(statement,
               prepare(fmt::format(
                   "INSERT INTO {}(id, committed, record) VALUES(?1, ?2, ?3) ON CONFLICT(id) DO UPDATE SET committed=?2, record=?3",
                   name_of(table))));
  }
  bind(statement.get(), 1, row.id);
  (void)sqlite3_bind_int(statement.get(), 2, row.committed ? 1 : 0);
  bind(statement.get(), 3, row.record);
  const int result = sqlite3_step(statement.get());
  auto failed = result == SQLITE_DONE ? Result<void>{} : Result<void>(error("write"));
  (void)sqlite3_reset(statement.get());
  (void)sqlite3_clear_bindings(statement.get());
  return failed;
}

Result<void> Database::remove(Table table, const std::string& id) {
  TRY(fault::point("remove a record"));
  Statement& statement = remove_[static_cast<int>(table)];
  if (!statement) {
    TRY_ASSIGN(statement, prepare(fmt::format("DELETE FROM {} WHERE id=?1", name_of(table))));
  }
  bind(statement.get(), 1, id);
  const int result = sqlite3_step(statement.get());
  auto failed = result == SQLITE_DONE ? Result<void>{} : Result<void>(error("delete"));
  (void)sqlite3_reset(statement.get());
  (void)sqlite3_clear_bindings(statement.get());
  return failed;
}

Result<std::vector<Row>> Database::rows(Table table) {
  TRY_ASSIGN(const Statement statement, prepare(fmt::format("SELECT id, committed, record FROM {}", name_of(table))));
  std::vector<Row> rows;
  for (;;) {
    const int result = sqlite3_step(statement.get());
    if (result == SQLITE_DONE) return rows;
    if (result != SQLITE_ROW) return error("read");
    rows.push_back({column(statement.get(), 0), sqlite3_column_int(statement.get(), 1) != 0, column(statement.get(), 2)});
  }
}

}  // namespace slipway::engine
