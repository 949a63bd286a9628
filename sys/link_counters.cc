// Counters by /proc/thread-self/net/dev.
#include "sys/link_counters.h"

#include <sched.h>

#include <algorithm>

#include "base/text.h"
#include "sys/file.h"

namespace slipway::sys {
namespace {

constexpr std::size_t kLimit = 1 << 20;
constexpr std::size_t kMostLinks = 64;  // a pod with CAP_NET_ADMIN makes as many as it likes; the first are who was there first

// The kernel takes any byte but '/', ':' and white space; what is told goes on into text that has to be UTF-8.
std::string printable(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c > ' ' && c <= '~' && c != '\\') {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

Result<LinkCounters> parse_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail(Code::internal, "'{}' names no link", line.substr(0, 64));
  std::string_view name = line.substr(0, colon);
  LinkCounters out;
  out.name = printable(take_word(name));
  line.remove_prefix(colon + 1);
  // Receive: bytes packets errs drop fifo frame compressed multicast; transmit: bytes packets errs drop …
  std::uint64_t* const fields[] = {&out.rx_bytes, &out.rx_packets, &out.rx_errors, &out.rx_dropped, nullptr,        nullptr,
                                   nullptr,       nullptr,         &out.tx_bytes,  &out.tx_packets, &out.tx_errors, &out.tx_dropped};
  for (std::uint64_t* const field : fields) {
    const std::string_view word = take_word(line);
    const auto value = to_number<std::uint64_t>(word);
    if (!value) return fail(Code::internal, "link '{}': '{}' is no counter", out.name, word.substr(0, 64));
    if (field != nullptr) *field = *value;
  }
  return out;
}

}  // namespace

Result<std::vector<LinkCounters>> parse_link_counters(std::string_view text) {
  std::vector<LinkCounters> out;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = cut(text, '\n');
    if (number <= 2 || line.empty()) continue;  // the headings
    if (out.size() == kMostLinks) break;
    TRY_ASSIGN(LinkCounters counters, parse_line(line));
    out.push_back(std::move(counters));
  }
  return out;
}

Result<std::vector<LinkCounters>> enter_and_read_link_counters(FdRef network_namespace) {
  if (::setns(network_namespace.get(), CLONE_NEWNET) != 0) return fail_errno(errno, "enter the network namespace");
  TRY_ASSIGN(const std::string text, read_file("/proc/thread-self/net/dev", kLimit));
  TRY_ASSIGN(std::vector<LinkCounters> links, parse_link_counters(text));
  std::erase_if(links, [](const LinkCounters& link) { return link.name == "lo"; });
  return links;
}

}  // namespace slipway::sys
