// A tar archive written entry by entry into a descriptor: ustar, with PAX headers where a name, number or attribute needs them.
//
// pax(1) "ustar Interchange Format"; files with holes as GNU's sparse format 1.0 (GNU tar manual, "PAX Format, Version 1.0").
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::runtime::criu {

struct TarMember {
  std::string path;  // relative; a directory's without the last '/'
  struct stat st = {};
  std::string link;  // of a symbolic link, or the earlier member that a hard link means
  bool hard_link = false;
  std::map<std::string, std::string> xattrs;
};

class TarWriter {
 public:
  explicit TarWriter(FdRef out) : out_(out) {}

  // `data`: of a regular file, read from its beginning for st.st_size bytes. data_loss: it is shorter.
  Result<void> add(const TarMember& member, FdRef data = FdRef(-1));
  Result<void> add_text(const std::string& path, std::string_view text);
  Result<void> finish();

 private:
  struct Segment {
    std::uint64_t offset = 0, size = 0;
  };
  using Records = std::map<std::string, std::string>;

  Result<void> header(const TarMember& member, char type, std::uint64_t size, Records records);
  Result<void> pad(std::uint64_t size);
  Result<void> copy(FdRef data, std::uint64_t offset, std::uint64_t size, const std::string& path);
  static Result<std::vector<Segment>> segments_of(FdRef data, std::uint64_t size);

  FdRef out_;
};

}  // namespace slipway::runtime::criu
