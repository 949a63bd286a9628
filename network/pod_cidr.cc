// Checking CIDRs and filling in the template.
#include "network/pod_cidr.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "network/json.h"

namespace slipway::network {
namespace {

bool is_ipv6(std::string_view cidr) {
  return cidr.find(':') != std::string_view::npos;
}

Result<void> check_cidr(const std::string& cidr) {
  const auto slash = cidr.find('/');
  in6_addr address{};
  unsigned length = 0;
  const unsigned most = is_ipv6(cidr) ? 128 : 32;
  const char* end = cidr.data() + cidr.size();
  const bool formed =
      slash != std::string::npos && ::inet_pton(is_ipv6(cidr) ? AF_INET6 : AF_INET, cidr.substr(0, slash).c_str(), &address) == 1;
  const auto parsed =
      formed ? std::from_chars(cidr.data() + slash + 1, end, length) : std::from_chars_result{end, std::errc::invalid_argument};
  if (parsed.ec == std::errc() && parsed.ptr == end && length <= most) return {};
  return fail(Code::invalid_argument, "'{}' is not of the form ADDRESS/LENGTH", cidr.substr(0, 64));
}

Json ranges_of(const std::vector<std::string>& cidrs) {
  Json out = Json::array();
  for (const auto& cidr : cidrs) out.push_back(Json::array({Json{{"subnet", cidr}}}));
  return out;
}

Json routes_of(const std::vector<std::string>& cidrs) {
  Json out = Json::array();
  if (std::any_of(cidrs.begin(), cidrs.end(), [](const auto& cidr) { return !is_ipv6(cidr); })) out.push_back({{"dst", "0.0.0.0/0"}});
  if (std::any_of(cidrs.begin(), cidrs.end(), is_ipv6)) out.push_back({{"dst", "::/0"}});
  return out;
}

}  // namespace

Result<std::vector<std::string>> parse_cidrs(std::string_view text) {
  std::vector<std::string> out;
  for (;;) {
    const std::size_t end = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, end));
    TRY(check_cidr(out.back()));
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}

Result<std::string> render_template(std::string_view text, const std::vector<std::string>& cidrs) {
  const std::pair<std::string_view, std::string> values[] = {
      {".PodCIDR", cidrs.front()}, {".PodCIDRRanges", to_text(ranges_of(cidrs))}, {".Routes", to_text(routes_of(cidrs))}};
  std::string out;
  for (;;) {
    const std::size_t begin = text.find("{{");
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin + 2);
    const std::size_t end = text.find("}}");
    const std::string_view name = trim(text.substr(0, std::min<std::size_t>(end, 64)), " ");
    const auto* value = std::find_if(std::begin(values), std::end(values), [&](const auto& v) { return v.first == name; });
    if (end == std::string_view::npos || value == std::end(values))
      return fail(Code::invalid_argument, "'{{{{{}}}}}' is none of {{{{.PodCIDR}}}}, {{{{.PodCIDRRanges}}}}, {{{{.Routes}}}}", name);
    out += value->second;
    text.remove_prefix(end + 2);
  }
}

}  // namespace slipway::network
