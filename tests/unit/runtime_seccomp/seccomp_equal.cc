// seccomp_equal PATH…: every seccomp profile in these files, and in the files beneath these folders, compiled by us and by libseccomp:
// equal or not.
//
// A file is a profile, a config.json, or a text with a profile in it, such as a shell script. What we refuse (a fuzzer's seed) is no filter
// and is only counted. Programs that make their profiles while they run (tests/root, tests/bench) call this with what they made. Exit: 0
// all equal, 1 one is not, 3 nothing was there to compare.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/format.h"
#include "oci/parse.h"
#include "tests/unit/runtime_seccomp/equivalence.h"

using namespace slipway;

namespace {

constexpr std::string_view kWord = "\"defaultAction\"";

struct Counts {
  std::uint64_t profiles = 0, answers = 0, refused = 0, different = 0;
};

void take(const std::string& where, const oci::Seccomp& profile, Counts& counts) {
  const auto compared = tests::compare(profile);
  if (compared.ok()) {
    ++counts.profiles;
    counts.answers += compared.value();
  } else if (compared.error().code == Code::invalid_argument && compared.error().message.starts_with("linux.seccomp")) {
    ++counts.refused;
  } else {
    ++counts.different;
    std::fputs(fmt::format("seccomp_equal: {}: {}\n", where, compared.error().message).c_str(), stderr);
  }
}

// With few capabilities on an old kernel and with many on a new one: a profile may say different things to them.
bool take_profile(const std::string& where, const std::string& text, Counts& counts) {
  bool any = false;
  for (const oci::ProfileFacts& facts : {oci::ProfileFacts{{}, "4.0"}, oci::ProfileFacts{{"CAP_SYS_ADMIN", "CAP_SYS_CHROOT"}, "6.18"}}) {
    const auto profile = oci::parse_seccomp_profile(text, facts);
    if (!profile.ok()) continue;
    any = true;
    take(where, profile.value(), counts);
  }
  return any;
}

// The object around each place where one begins to be a profile.
std::vector<std::string> objects_in(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = text.find(kWord); at != std::string::npos; at = text.find(kWord, at + 1)) {
    const std::size_t begin = text.rfind('{', at);
    if (begin == std::string::npos) continue;
    int depth = 0;
    for (std::size_t end = begin; end < text.size(); ++end) {
      depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
      if (depth != 0) continue;
      out.push_back(text.substr(begin, end + 1 - begin));
      break;
    }
  }
  return out;
}

void take_file(const std::string& path, std::set<std::string>& seen, Counts& counts) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.find(kWord) == std::string::npos) return;
  if (const auto spec = oci::parse_spec(text); spec.ok() && spec.value().linux_.seccomp) {
    take(path, *spec.value().linux_.seccomp, counts);
    return;
  }
  if (take_profile(path, text, counts)) return;
  for (const std::string& object : objects_in(text)) {
    if (!seen.insert(object).second) continue;
    if (!take_profile(path, object, counts)) ++counts.refused;
  }
}

bool is_made_while_it_runs(const std::filesystem::path& path) {
  return path.extension() == ".py" || path.extension() == ".cc" || path.extension() == ".h";
}

}  // namespace

int main(int argc, char** argv) {
  Counts counts;
  std::set<std::string> seen;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      take_file(argv[i], seen, counts);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i]))
      if (entry.is_regular_file() && !is_made_while_it_runs(entry.path())) take_file(entry.path(), seen, counts);
  }
  std::fputs(fmt::format("seccomp_equal: {} profiles are equal in {} answers, {} are different, {} are refused by us\n", counts.profiles,
                         counts.answers, counts.different, counts.refused)
                 .c_str(),
             stdout);
  if (counts.different != 0) return 1;
  return counts.profiles == 0 ? 3 : 0;
}
