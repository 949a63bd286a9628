// The log file: what a full disk, a rotation, a bad path do.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "monitor/log_file.h"
#include "monitor/log_format.h"
#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::monitor;
using slipway::test::slurp;
using slipway::test::TempDir;

namespace {

struct Writer final : LogOutput {
  explicit Writer(LogFile& to) : file(to) {}
  void line(std::string_view text) { lines(std::string(text) + "\n"); }
  void lines(std::string_view text) { formatter.feed(text, 0, batch, *this); }
  void write(const LogBatch& entries) override {
    std::string text;
    for (std::size_t i = 0; i < entries.part_count; ++i)
      text.append(static_cast<const char*>(entries.parts[i].iov_base), entries.parts[i].iov_len);
    file.append(text);
  }
  LogFile& file;
  std::vector<char> hold = std::vector<char>(kMaxLine);
  LogFormatter formatter{Stream::out, std::span<char>(hold)};
  LogBatch batch;
};

// A disk that ends at `bytes`: writes beyond fail, the first one partly (EFBIG stands for ENOSPC).
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    set(bytes);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }
  void set(rlim_t bytes) {
    const rlimit limit{bytes, old_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

}  // namespace

TEST_CASE("the file is made with mode 0640 and appended to", "[monitor]") {
  TempDir dir;
  const std::string path = dir.path + "/0.log";
  for (int i = 0; i < 2; ++i) {
    auto file = LogFile::open(path);
    REQUIRE(file.ok());
    Writer(file.value()).line("x");
  }
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0640);
  CHECK(slurp(path) == "1970-01-01T00:00:00.000000000Z stdout F x\n1970-01-01T00:00:00.000000000Z stdout F x\n");
}

TEST_CASE("a link, a FIFO, a missing directory are no logs", "[monitor]") {
  TempDir dir;
  REQUIRE(::symlink("/tmp/slipway-never", (dir.path + "/link").c_str()) == 0);
  REQUIRE(::mkfifo((dir.path + "/fifo").c_str(), 0600) == 0);
  CHECK_FALSE(LogFile::open(dir.path + "/link").ok());
  CHECK_FALSE(LogFile::open(dir.path + "/fifo").ok());
  const auto missing = LogFile::open(dir.path + "/none/0.log");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Code::not_found);
  CHECK(::access("/tmp/slipway-never", F_OK) != 0);
}

TEST_CASE("a rotation goes on in a new file", "[monitor]") {
  TempDir dir;
  const std::string path = dir.path + "/0.log";
  auto file = LogFile::open(path);
  REQUIRE(file.ok());
  Writer writer(file.value());
  writer.line("before");
  REQUIRE(::rename(path.c_str(), (path + ".1").c_str()) == 0);
  writer.line("between");
  REQUIRE(file.value().reopen().ok());
  writer.line("after");
  CHECK_THAT(slurp(path + ".1"), Catch::Contains("before") && Catch::Contains("between"));
  CHECK_THAT(slurp(path), Catch::Contains("after") && !Catch::Contains("between"));
}

TEST_CASE("a reopen that fails keeps the old file", "[monitor]") {
  TempDir dir;
  const std::string path = dir.path + "/0.log";
  auto file = LogFile::open(path);
  REQUIRE(file.ok());
  REQUIRE(::rename(path.c_str(), (path + ".1").c_str()) == 0);
  REQUIRE(::mkdir(path.c_str(), 0700) == 0);
  CHECK_FALSE(file.value().reopen().ok());
  Writer(file.value()).line("still here");
  CHECK_THAT(slurp(path + ".1"), Catch::Contains("still here"));
}

TEST_CASE("on a full disk whole entries stay, the lost are counted and told", "[monitor]") {
  TempDir dir;
  const std::string path = dir.path + "/0.log";
  auto opened = LogFile::open(path);
  REQUIRE(opened.ok());
  LogFile& file = opened.value();
  Writer writer(file);
  const std::size_t entry = std::string("1970-01-01T00:00:00.000000000Z stdout F 0\n").size();
  {
    FileLimit limit(2 * entry + 10);  // the third entry is torn
    writer.lines("0\n1\n2\n3\n");
    CHECK(file.lost() == 2);
    CHECK(slurp(path).size() == 2 * entry);
    writer.line("4");
    writer.line("5");
    CHECK(file.lost() == 4);
    CHECK(slurp(path).size() == 2 * entry);
  }
  writer.line("6");
  CHECK(file.lost() == 0);
  const std::string text = slurp(path);
  CHECK_THAT(text, Catch::Contains("stderr F slipway: 4 log entries were lost here: File too large\n"));
  CHECK_THAT(text, Catch::EndsWith("stdout F 6\n"));
  CHECK_THAT(text, !Catch::Contains("F 2\n") && !Catch::Contains("F 5\n"));
}

TEST_CASE("a loss at the very end is told by finish", "[monitor]") {
  TempDir dir;
  const std::string path = dir.path + "/0.log";
  auto opened = LogFile::open(path);
  REQUIRE(opened.ok());
  {
    FileLimit limit(0);
    Writer(opened.value()).line("x");
  }
  opened.value().finish();
  CHECK_THAT(slurp(path), Catch::Contains("slipway: 1 log entries were lost here"));
}

TEST_CASE("without a path entries are dropped, not counted", "[monitor]") {
  LogFile file;
  Writer(file).line("x");
  CHECK(file.lost() == 0);
  CHECK(file.reopen().ok());
}
