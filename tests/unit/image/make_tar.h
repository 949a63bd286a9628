// Builds tar streams for tests, honest and hostile ones: the header's fields are what the test says.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace slipway::test {

struct TarItem {
  std::string name;
  char type = '0';
  std::string data;
  std::string link;
  unsigned mode = 0644;
  unsigned uid = 0, gid = 0;
  std::int64_t size = -1;  // -1: of the data
  std::vector<std::pair<std::string, std::string>> pax;
  unsigned major = 0, minor = 0;
};

inline void octal(char* field, std::size_t digits, unsigned long long value) {
  for (std::size_t i = digits; i-- > 0; value /= 8) field[i] = static_cast<char>('0' + value % 8);
}

inline std::string tar_header(const TarItem& item, std::size_t size) {
  std::string h(512, '\0');
  std::memcpy(h.data(), item.name.data(), item.name.size() < 100 ? item.name.size() : 100);
  octal(h.data() + 100, 7, item.mode);
  octal(h.data() + 108, 7, item.uid);
  octal(h.data() + 116, 7, item.gid);
  octal(h.data() + 124, 11, size);
  octal(h.data() + 136, 11, 1000000000);
  h[156] = item.type;
  std::memcpy(h.data() + 157, item.link.data(), item.link.size() < 100 ? item.link.size() : 100);
  std::memcpy(h.data() + 257, "ustar\00000", 8);
  octal(h.data() + 329, 7, item.major);
  octal(h.data() + 337, 7, item.minor);
  std::memset(h.data() + 148, ' ', 8);
  unsigned sum = 0;
  for (const char c : h) sum += static_cast<unsigned char>(c);
  octal(h.data() + 148, 6, sum);
  h[154] = '\0';
  return h;
}

inline std::string padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512);
  return data;
}

inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

inline std::string tar_item(const TarItem& item) {
  std::string out;
  if (!item.pax.empty()) {
    std::string records;
    for (const auto& [key, value] : item.pax) records += pax_record(key, value);
    out += tar_header({.name = "pax", .type = 'x', .data = {}, .link = {}, .pax = {}}, records.size()) + padded(records);
  }
  out += tar_header(item, item.size < 0 ? item.data.size() : static_cast<std::size_t>(item.size));
  return out + padded(item.data);
}

inline std::string make_tar(const std::vector<TarItem>& items) {
  std::string out;
  for (const TarItem& item : items) out += tar_item(item);
  return out + std::string(1024, '\0');
}

inline TarItem dir(std::string name, unsigned mode = 0755) {
  return {.name = std::move(name), .type = '5', .data = {}, .link = {}, .mode = mode, .pax = {}};
}
inline TarItem file(std::string name, std::string data = "x") {
  return {.name = std::move(name), .type = '0', .data = std::move(data), .link = {}, .pax = {}};
}
inline TarItem soft_link(std::string name, std::string to) {
  return {.name = std::move(name), .type = '2', .data = {}, .link = std::move(to), .pax = {}};
}
inline TarItem hard_link(std::string name, std::string to) {
  return {.name = std::move(name), .type = '1', .data = {}, .link = std::move(to), .pax = {}};
}

}  // namespace slipway::test
