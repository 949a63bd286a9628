// The SQLite file of the records: two tables of rows by id, committed or only intended.
//
// WAL with synchronous NORMAL: a commit survives kill -9, not always a power loss, after which the boot id differs anyway.
// One thread at a time (Store's mutex).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slipway::engine {

struct Row {
  std::string id;
  bool committed = false;
  std::string record;  // JSON
};

enum class Table { pods, containers };

class Database {
 public:
  static constexpr int kSchemaVersion = 1;

  // Makes the file 0600 where it is new. A schema newer than ours is failed_precondition: an old slipwayd must not write into it.
  static Result<std::unique_ptr<Database>> open(const std::string& path);

  Result<void> put(Table table, const Row& row);
  Result<void> remove(Table table, const std::string& id);
  Result<std::vector<Row>> rows(Table table);

 private:
  struct CloseConnection {
    void operator()(sqlite3* connection) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  explicit Database(sqlite3* connection) : connection_(connection) {}
  Error error(const char* what) const;
  Result<void> execute(const char* sql);
  Result<int> schema_version();
  Result<void> migrate();
  Result<Statement> prepare(const std::string& sql);

  std::unique_ptr<sqlite3, CloseConnection> connection_;
  Statement put_[2], remove_[2];
};

}  // namespace slipway::engine
