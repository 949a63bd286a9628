// slipway list: all containers of one root.
#include "runtime/command/command.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"format", "f", true}, {"quiet", "q", false}};

struct Row {
  ContainerRecord record;
  Status status = Status::stopped;
  std::string owner;
};

// A container may go while it is looked at, and one may be half made: both are not listed.
Result<std::vector<Row>> rows_of(const Global& global) {
  std::vector<Row> rows;
  TRY_ASSIGN(const std::vector<std::string> ids, StateDir::list(global.root));
  for (const std::string& id : ids) {
    auto found = find_container(global, id);
    if (!found.ok()) continue;
    const auto status = status_of(found.value().dir, found.value().record);
    auto owner = owner_of(found.value().dir);
    if (status.ok() && owner.ok()) rows.push_back({std::move(found.value().record), status.value(), std::move(owner).take()});
  }
  return rows;
}

void print_table(const std::vector<Row>& rows) {
  std::size_t id = 2;
  std::size_t bundle = 6;
  for (const Row& row : rows) {
    id = std::max(id, row.record.id.size());
    bundle = std::max(bundle, row.record.bundle.size());
  }
  std::string out =
      fmt::format("{:<{}}  {:<10}  {:<8}  {:<{}}  {:<30}  {}\n", "ID", id, "PID", "STATUS", "BUNDLE", bundle, "CREATED", "OWNER");
  for (const Row& row : rows) {
    out += fmt::format("{:<{}}  {:<10}  {:<8}  {:<{}}  {:<30}  {}\n", row.record.id, id, row.status == Status::stopped ? 0 : row.record.pid,
                       to_string(row.status), row.record.bundle, bundle, row.record.created, row.owner);
  }
  print(out);
}

void print_json(const std::vector<Row>& rows) {
  std::string out = "[";
  for (const Row& row : rows) {
    if (out.size() > 1) out += ',';
    out += write_state(row.record, row.status, row.owner);
  }
  print(out + "]\n");
}

}  // namespace

Result<int> list_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY(no_more_than(arguments, 0));
  TRY_ASSIGN(const std::vector<Row> rows, rows_of(global));
  const std::string format = arguments.value("format", "table");
  if (arguments.has("quiet")) {
    for (const Row& row : rows) print(row.record.id + "\n");
  } else if (format == "table") {
    print_table(rows);
  } else if (format == "json") {
    print_json(rows);
  } else {
    return fail(Code::invalid_argument, "--format: '{}' is neither table nor json", format);
  }
  return 0;
}

}  // namespace slipway::runtime::command
