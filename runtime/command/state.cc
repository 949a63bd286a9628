// slipway state: the state of the specification as JSON.
#include "runtime/command/command.h"

namespace slipway::runtime::command {

Result<int> state_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, {}, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY_ASSIGN(const Status status, status_of(found.dir, found.record));
  TRY_ASSIGN(const std::string owner, owner_of(found.dir));
  print(write_state(found.record, status, owner) + "\n");
  return 0;
}

}  // namespace slipway::runtime::command
