// The image records on disk: one SQLite table, synced at every commit, because kubelets plan by what is there after a power loss.
//
// One thread at a time (the store's mutex). The file is 0600.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slipway::image {

class Records {
 public:
  static constexpr int kSchemaVersion = 1;

  // failed_precondition: the file is of a newer slipway.
  static Result<std::unique_ptr<Records>> open(const std::string& path);

  // A row that cannot be read is data_loss and names the image.
  Result<std::vector<engine::ImageRecord>> all();
  // All or nothing: records written anew and records removed.
  Result<void> change(const std::vector<engine::ImageRecord>& put, const std::vector<std::string>& removed);

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  explicit Records(sqlite3* connection) : connection_(connection) {}
  Error error(const char* what) const;
  Result<void> execute(const char* sql);
  Result<Statement> prepare(const char* sql);
  Result<void> run(const char* sql, const std::vector<std::string>& values);
  Result<void> migrate();

  std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace slipway::image
