// criu's messages, what is noted beside its images, and which of a container's mounts are the host's.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <tuple>

#include "runtime/criu/dump.h"
#include "runtime/criu/external_mounts.h"
#include "runtime/criu/messages.h"
#include "runtime/criu/notes.h"
#include "runtime/criu/session.h"
#include "runtime/criu/wire.h"

namespace slipway::runtime::criu {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

const Field* find(const std::vector<Field>& fields, unsigned number) {
  for (const Field& field : fields) {
    if (field.number == number) return &field;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("numbers and texts are as Protocol Buffers' specification has them", "[criu]") {
  Writer out;
  out.number(1, 150);  // the specification's own example
  CHECK(hex(out.text()) == "089601");
  out.bytes(2, "testing");
  CHECK(hex(out.text()) == "089601120774657374696e67");
  Writer negative;
  negative.number(1, -1);  // ten bytes: int32 is extended to 64 bits
  CHECK(hex(negative.text()) == "08ffffffffffffffffff01");
  Writer far;
  far.number(63, 1);
  CHECK(hex(far.text()) == "f80301");
  const auto read = read_fields(negative.text());
  REQUIRE(read.ok());
  CHECK(static_cast<std::int64_t>(read.value().at(0).value) == -1);
}

TEST_CASE("a message that is cut short or of an unknown form is refused", "[criu]") {
  const std::string whole = std::string("\x08\x96\x01\x12\x07testing\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08", 26);
  const auto fields = read_fields(whole);
  REQUIRE(fields.ok());
  REQUIRE(fields.value().size() == 4);
  CHECK(fields.value()[1].bytes == "testing");
  CHECK(fields.value()[2].bytes.size() == 4);
  int complete = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) complete += read_fields(std::string_view(whole).substr(0, size)).ok() ? 1 : 0;
  CHECK(complete == 4);                                                               // nothing, and after each field but the last
  CHECK_FALSE(read_fields(std::string_view("\x0b\x01", 2)).ok());                     // a group
  CHECK_FALSE(read_fields(std::string_view("\x00\x01", 2)).ok());                     // number 0
  CHECK_FALSE(read_fields("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").ok());  // eleven bytes
  CHECK_FALSE(read_fields(std::string_view("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12)).ok());  // longer than all
}

TEST_CASE("a request holds what was asked, by criu's numbers", "[criu]") {
  Options options;
  options.images_dir = 7;
  options.pid = 300;
  options.leave_running = true;
  options.external = {"mnt[/data]:/data", "net[4026531840]:extRootNetNS"};
  options.inherited = {{"pipe:[5]", 4}};
  options.joined = {{"uts", "/run/uts"}};
  options.cgroup_root = "/slipway/c";
  options.cgroup_mode = CgroupMode::strict;
  const std::string text = encode_request(Kind::dump, options);
  const auto outer = read_fields(text);
  REQUIRE(outer.ok());
  CHECK(find(outer.value(), 1)->value == 1);
  const auto inner = read_fields(find(outer.value(), 2)->bytes);
  REQUIRE(inner.ok());
  const std::vector<Field>& fields = inner.value();
  CHECK(find(fields, 1)->value == 7);
  CHECK(find(fields, 2)->value == 300);
  CHECK(find(fields, 3)->value == 1);
  CHECK(find(fields, 4) == nullptr);
  CHECK(find(fields, 12)->value == 1);
  CHECK(hex(find(fields, 25)->bytes) == "120a2f736c69707761792f63");
  CHECK(find(fields, 27)->bytes == "\x0a\x08pipe:[5]\x10\x04");
  CHECK(find(fields, 34)->value == 5);
  CHECK(find(fields, 37)->bytes == "mnt[/data]:/data");
  CHECK(find(fields, 39)->bytes == "\x0a\x03uts\x12\x08/run/uts");
  CHECK(find(fields, 60) == nullptr);
  CHECK(hex(encode_notified(true)) == "08061801");
  CHECK(hex(encode_notified(false)) == "08061800");
}

TEST_CASE("the annotation's configuration of criu is beneath the bundle", "[criu]") {
  oci::Spec spec;
  CHECK(config_file_of(spec, "/b").starts_with("/etc/criu/"));
  for (const auto& [asked, file] : {std::pair{"", ""}, {"/a/criu.conf", "/a/criu.conf"}, {"criu.conf", "/b/criu.conf"}}) {
    spec.annotations["org.criu.config"] = asked;
    CHECK(config_file_of(spec, "/b") == file);
  }
}

TEST_CASE("answers of criu", "[criu]") {
  const auto notification = decode_response(std::string_view("\x08\x06\x10\x01\x2a\x11\x0a\x0cpost-restore\x10\xac\x02", 23));
  REQUIRE(notification.ok());
  CHECK(notification.value().kind == Kind::notify);
  CHECK(notification.value().success);
  CHECK(notification.value().script == "post-restore");
  CHECK(notification.value().pid == 300);
  const auto restored = decode_response(std::string_view("\x08\x02\x10\x01\x22\x02\x08\x2a", 8));
  REQUIRE(restored.ok());
  CHECK(restored.value().pid == 42);
  const auto failed = decode_response(std::string_view("\x08\x01\x10\x00\x38\x3d", 6));
  REQUIRE(failed.ok());
  CHECK_FALSE(failed.value().success);
  CHECK(failed.value().error == 61);
  CHECK_FALSE(decode_response(std::string_view("\x38\xff\xff\xff\xff\xff\xff\x01", 8)).ok());  // an errno beyond int
  CHECK_FALSE(decode_response("\x2a\x05\x0a").ok());
}

TEST_CASE("of a log its first error and its last three are quoted", "[criu]") {
  CHECK(quote_errors("(00.1) all is well\n(00.2) Warn  (criu/x.c:1): hm\n").empty());
  CHECK(quote_errors("(00.1)  32: Error (criu/a.c:1): one\n(00.2) between\n(00.3) Error (criu/b.c:2): two") ==
        "Error (criu/a.c:1): one; Error (criu/b.c:2): two");
  std::string log;
  for (int i = 1; i < 10; ++i) log += fmt::format("(00.{}) Error (criu/x.c:{}): e{}\n", i, i, i);
  CHECK(quote_errors(log) == "Error (criu/x.c:1): e1; …; Error (criu/x.c:7): e7; Error (criu/x.c:8): e8; Error (criu/x.c:9): e9");
  CHECK(quote_errors("Error (" + std::string(100'000, 'x')).size() <= 2000);
}

TEST_CASE("standard descriptors are told by what they are", "[criu]") {
  const auto own = standard_descriptors("self");
  REQUIRE(own.size() == 3);
  for (int fd = 0; fd < 3; ++fd) {
    std::error_code none;
    CHECK(own[static_cast<std::size_t>(fd)] == std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), none).string());
  }
  CHECK(standard_descriptors(std::to_string(::getpid())) == own);
  CHECK(standard_descriptors("0") == std::vector<std::string>(3));
}

TEST_CASE("notes are read as they were written", "[criu]") {
  Notes notes;
  notes.descriptors = {"/dev/null", "pipe:[7]", ""};
  notes.mounts = {{"/data/\"x\"", Source::bind, "/data", "\"x\""}, {"/dev/null", Source::device, "/dev/null", ""}};
  notes.files = {{"file[1a:2b]", 2, true}};
  notes.sizes = {{"core-1.img", 17}, {"pages-1.img", 1ULL << 40}};
  Notes read;
  REQUIRE(parse_descriptors(write_descriptors(notes), read).ok());
  REQUIRE(parse_own(write_own(notes), read).ok());
  CHECK(read.descriptors == notes.descriptors);
  REQUIRE(read.mounts.size() == 2);
  CHECK(read.mounts[0].name == "/data/\"x\"");
  CHECK(read.mounts[0].beneath == "\"x\"");
  CHECK(read.mounts[1].source == Source::device);
  REQUIRE(read.files.size() == 1);
  CHECK(read.files[0].descriptor == 2);
  CHECK(read.files[0].null);
  CHECK(read.sizes == notes.sizes);
  CHECK(read.ours);
}

TEST_CASE("notes that somebody has tampered with are refused", "[criu]") {
  Notes out;
  for (const char* text :
       {R"({"version":2})", R"([])", R"({"version":1,"mounts":[{"name":"","source":"bind"}]})",
        R"({"version":1,"mounts":[{"name":"a]:/etc","source":"bind"}]})", R"({"version":1,"mounts":[{"name":"/a","source":"host"}]})",
        R"({"version":1,"files":[{"key":"file[1:1]","descriptor":3}]})", R"({"version":1,"files":[{"key":"file[1:1]"}]})",
        R"({"version":1,"images":[["../../etc/shadow",1]]})", R"({"version":1,"images":[["a.img"]]})"}) {
    INFO(text);
    CHECK_FALSE(parse_own(text, out).ok());
  }
  CHECK_FALSE(parse_descriptors(R"(["a","b","c","d"])", out).ok());
  CHECK_FALSE(parse_descriptors(R"({"a":1})", out).ok());
}

namespace {

constexpr const char* kHost =
    "20 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "21 20 0:5 / /dev rw - devtmpfs dev rw\n"
    "22 20 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    "23 20 254:16 / /mnt/disk rw - ext4 /dev/vdb rw\n"
    "24 20 0:40 / /srv/data/sub rw - tmpfs t rw\n"
    "25 20 0:41 / /srv/root/inner rw - tmpfs t rw\n";

constexpr const char* kContainer =
    "38 99 254:0 /srv/root / rw - ext4 /dev/vda rw\n"
    "39 38 0:27 / /dev rw - tmpfs tmpfs rw\n"
    "40 39 0:5 /tty /dev/tty rw - devtmpfs dev rw\n"
    "63 38 0:32 / /proc rw - proc proc rw\n"
    "43 63 0:5 /null /proc/kcore rw - devtmpfs dev rw\n"
    "44 63 0:30 / /proc/acpi ro - tmpfs none rw\n"
    "70 63 0:32 /sys /proc/sys ro - proc proc rw\n"
    "41 38 254:0 /srv/data /data\\040one rw - ext4 /dev/vda rw\n"
    "45 41 0:40 / /data\\040one/sub rw - tmpfs t rw\n"
    "46 41 0:30 / /data\\040one/masked ro - tmpfs none rw\n"
    "47 38 254:16 / /real/disk rw - ext4 /dev/vdb rw\n"
    "48 38 0:41 / /inner rw - tmpfs t rw\n"
    "49 38 254:0 /srv/root/a /b rw - ext4 /dev/vda rw\n"
    "50 38 0:21 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";

PlannedMount planned(std::string target, Maker maker) {
  PlannedMount out;
  out.target = std::move(target);
  out.maker = maker;
  return out;
}

MountFacts facts() {
  MountFacts out;
  out.container = sys::parse_mountinfo(kContainer).take();
  out.host = sys::parse_mountinfo(kHost).take();
  out.mount_at = [](const std::string& path) -> Result<std::uint64_t> {
    if (path == "link") return std::uint64_t{47};
    return fail(Code::not_found, "no {}", path);
  };
  return out;
}

std::string shown(const std::vector<ExternalMount>& mounts) {
  std::string out;
  for (const ExternalMount& mount : mounts)
    out += fmt::format("{} {} {} {}\n", mount.name, static_cast<int>(mount.source), mount.of, mount.beneath);
  return out;
}

}  // namespace

TEST_CASE("the host's mounts are told from the container's own", "[criu]") {
  MountPlan plan;
  plan.mounts = {planned("proc", Maker::init),
                 planned("dev", Maker::filesystem),
                 planned("data one", Maker::bind),
                 planned("link", Maker::bind),
                 planned("sys/fs/cgroup", Maker::cgroup_bind),
                 planned("gone", Maker::bind)};
  const auto found = find_external_mounts(plan, facts());
  REQUIRE(found.ok());
  // A mask within a bind stays a mask: what it hides must not come to light at restore.
  CHECK(shown(found.value()) ==
        "/dev/tty 2 /dev/tty \n"
        "/proc/kcore 2 /dev/null \n"
        "/data one 0 /data one \n"
        "/data one/sub 0 /data one sub\n"
        "/real/disk 0 /link \n"
        "/inner 1  inner\n"
        "/sys/fs/cgroup 3  \n");
}

// 5·10⁹ steps, if each were followed down to the root.
TEST_CASE("a container with as many mounts over each other as the kernel allows is soon looked through", "[criu]") {
  constexpr std::uint64_t kMost = 100'000;
  MountFacts stacked = facts();
  sys::MountLine line = stacked.container[6];
  for (std::uint64_t i = 0; i < kMost; ++i) {
    line.parent = i == 0 ? 41 : line.id;
    line.id = 1000 + i;
    line.major = 0;
    line.minor = 77;
    line.point = "/data one";
    stacked.container.push_back(line);
  }
  MountPlan plan;
  plan.mounts = {planned("data one", Maker::bind)};
  stacked.host[0].minor = 77;
  const auto found = find_external_mounts(plan, stacked);
  REQUIRE(found.ok());
  CHECK(found.value().back().name == "/data one");
}

// Which of them has the lower number is chance (ADR 34), and with it, since Linux 6.8, which is listed first.
TEST_CASE("of mounts over each other the uppermost counts, wherever it is listed", "[criu]") {
  MountFacts last = facts(), first = facts();
  sys::MountLine upper = last.container[6];
  upper.id = 30;
  upper.parent = 41;
  upper.minor = 77;
  upper.major = 0;
  last.host[0].minor = first.host[0].minor = 77;
  last.container.push_back(upper);
  first.container.insert(first.container.begin() + 1, upper);
  MountPlan plan;
  plan.mounts = {planned("data one", Maker::bind)};
  const auto one = find_external_mounts(plan, last), other = find_external_mounts(plan, first);
  REQUIRE(one.ok());
  REQUIRE(other.ok());
  CHECK(shown(one.value()).find("/data one 0 /data one \n") != std::string::npos);
  std::vector<ExternalMount> a = one.value(), b = other.value();
  const auto by_name = [](const ExternalMount& l, const ExternalMount& r) {
    return std::tie(l.name, l.beneath) < std::tie(r.name, r.beneath);
  };
  std::sort(a.begin(), a.end(), by_name);
  std::sort(b.begin(), b.end(), by_name);
  CHECK(shown(a) == shown(b));
}

TEST_CASE("a mount point that criu cannot be told of is named", "[criu]") {
  MountFacts odd = facts();
  odd.container[7].point = "/a]b";
  MountPlan plan;
  plan.mounts = {planned("a]b", Maker::bind)};
  const auto found = find_external_mounts(plan, odd);
  REQUIRE_FALSE(found.ok());
  CHECK_THAT(found.error().message, Catch::Contains("/a]b"));
}

TEST_CASE("lines of mountinfo", "[criu]") {
  const auto lines = sys::parse_mountinfo("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n");
  REQUIRE(lines.ok());
  const sys::MountLine& line = lines.value().at(0);
  CHECK((line.shared && line.slave));
  CHECK((line.id == 36 && line.parent == 35 && line.major == 98 && line.minor == 0));
  CHECK((line.root == "/mnt1" && line.point == "/mnt2" && line.type == "ext3"));
  for (const char* text :
       {"36 35 98 / / rw - ext3 a b", "x 35 98:0 / / rw - ext3 a b", "36 35 98:0 / / rw ext3", "36", "36 35 98:0 / / rw -"}) {
    INFO(text);
    CHECK_FALSE(sys::parse_mountinfo(text).ok());
  }
}

}  // namespace slipway::runtime::criu
