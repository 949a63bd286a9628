// Items of the two long lists in their wire form. A full node's are thousands of labels, asked for each second: as protobuf's maps they
// took most of the call's processor time, in strings and buckets that are thrown away at once.
//
// Pure. What stands in them is what to_status() says of the same record.
#pragma once

#include <google/protobuf/unknown_field_set.h>

#include <string>

#include "engine/types.h"

namespace slipway::cri {

std::string list_item(const engine::PodRecord& pod);              // a v1::PodSandbox
std::string list_item(const engine::ContainerRecord& container);  // a v1::Container

// Room for one in the repeated field of that number: what a message does not know it writes as it stands.
template <class Response>
std::string* add_item(Response& response, int field_number) {
  return response.GetReflection()->MutableUnknownFields(&response)->AddLengthDelimited(field_number);
}

}  // namespace slipway::cri
