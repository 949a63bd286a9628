// Tags, lengths and bytes; as in all of proto3, what is empty or zero is left out.
#include "cri/list_item.h"

#include <google/protobuf/io/coded_stream.h>

#include <array>

#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

using google::protobuf::io::CodedOutputStream;

class ItemWriter {
 public:
  explicit ItemWriter(std::size_t expected) { text_.reserve(expected); }

  void string(int field, const std::string& value) {
    if (!value.empty()) bytes(field, value);
  }
  void number(int field, std::int64_t value) {
    if (value == 0) return;
    tag(field, 0);
    varint(static_cast<std::uint64_t>(value));
  }
  void message(int field, const google::protobuf::MessageLite& value) { bytes(field, value.SerializeAsString()); }
  void map(int field, const engine::Labels& labels) {
    for (const auto& [key, value] : labels) {
      tag(field, kBytes);
      varint(size_of(key) + size_of(value));
      bytes(1, key);
      bytes(2, value);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  static constexpr unsigned kBytes = 2;  // the wire type of whatever has a length

  static std::size_t size_of(const std::string& value) { return 1 + CodedOutputStream::VarintSize64(value.size()) + value.size(); }
  void varint(std::uint64_t value) {
    std::array<std::uint8_t, 10> room;
    text_.append(room.begin(), CodedOutputStream::WriteVarint64ToArray(value, room.data()));
  }
  void tag(int field, unsigned type) { varint(static_cast<unsigned>(field) << 3 | type); }
  void bytes(int field, const std::string& value) {
    tag(field, kBytes);
    varint(value.size());
    text_ += value;
  }

  std::string text_;
};

std::size_t roughly(const engine::Labels& labels) {
  std::size_t sum = 0;
  for (const auto& [key, value] : labels) sum += key.size() + value.size() + 16;
  return sum;
}

// All but the labels of either.
constexpr std::size_t kRest = 1024;

}  // namespace

std::string list_item(const engine::PodRecord& pod) {
  using Item = v1::PodSandbox;
  ItemWriter out(kRest + roughly(pod.spec.labels) + roughly(pod.spec.annotations));
  out.string(Item::kIdFieldNumber, pod.id);
  out.message(Item::kMetadataFieldNumber, to_metadata(pod.spec.metadata));
  out.number(Item::kStateFieldNumber, to_proto(pod.state));
  out.number(Item::kCreatedAtFieldNumber, pod.created_at);
  out.map(Item::kLabelsFieldNumber, pod.spec.labels);
  out.map(Item::kAnnotationsFieldNumber, pod.spec.annotations);
  out.string(Item::kRuntimeHandlerFieldNumber, pod.spec.runtime_handler);
  return out.take();
}

std::string list_item(const engine::ContainerRecord& container) {
  using Item = v1::Container;
  ItemWriter out(kRest + roughly(container.spec.labels) + roughly(container.spec.annotations));
  out.string(Item::kIdFieldNumber, container.id);
  out.string(Item::kPodSandboxIdFieldNumber, container.pod_id);
  out.message(Item::kMetadataFieldNumber, to_metadata(container.spec.metadata));
  out.message(Item::kImageFieldNumber, to_image(container.spec));
  out.string(Item::kImageRefFieldNumber, container.image_id);
  out.number(Item::kStateFieldNumber, to_proto(container.state));
  out.number(Item::kCreatedAtFieldNumber, container.created_at);
  out.map(Item::kLabelsFieldNumber, container.spec.labels);
  out.map(Item::kAnnotationsFieldNumber, container.spec.annotations);
  out.string(Item::kImageIdFieldNumber, container.image_id);
  return out.take();
}

}  // namespace slipway::cri
