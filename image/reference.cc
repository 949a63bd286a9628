// The grammar of image references.
#include "image/reference.h"

#include <algorithm>
#include <cctype>

namespace slipway::image {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;
constexpr std::size_t kMaxText = 1024;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// [a-z0-9]+ pieces joined by one '.', one or two '_', or any number of '-'.
bool is_path_component(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower_alnum(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && !is_lower_alnum(text[end])) ++end;
    const std::string_view separator = text.substr(i, end - i);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
    i = end;
  }
  return true;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_host_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || !is_alnum(text.front()) || !is_alnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_domain(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    const std::string_view address = text.substr(1, close - 1);
    const bool hex =
        std::all_of(address.begin(), address.end(), [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) || c == ':'; });
    const std::string_view rest = text.substr(close + 1);
    return hex && (rest.empty() || (rest.front() == ':' && is_port(rest.substr(1))));
  }
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    if (!is_port(text.substr(colon + 1))) return false;
    text = text.substr(0, colon);
  }
  for (;;) {
    const auto dot = text.find('.');
    if (!is_host_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > kMaxTag || (!is_alnum(text.front()) && text.front() != '_')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

// The first component is a domain where it could not be a path component of docker.io.
bool looks_like_domain(std::string_view first) {
  return first.find_first_of(".:[") != std::string_view::npos || first == "localhost" ||
         std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

Error bad(std::string_view text, std::string_view why) {
  return fail(Code::invalid_argument, "image reference '{}': {}", text.substr(0, kMaxText), why);
}

}  // namespace

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_digest(std::string_view text) {
  if (text.starts_with("sha256:")) return text.size() == 7 + 64 && is_hex(text.substr(7));
  if (text.starts_with("sha512:")) return text.size() == 7 + 128 && is_hex(text.substr(7));
  return false;
}

std::string Reference::repo_tag() const {
  return tag.empty() || !digest.empty() ? std::string() : name() + ":" + tag;
}

std::string Reference::repo_digest(std::string_view manifest_digest) const {
  return name() + "@" + std::string(manifest_digest);
}

std::string Reference::canonical() const {
  std::string out = name();
  if (!tag.empty()) out += ":" + tag;
  if (!digest.empty()) out += "@" + digest;
  return out;
}

Result<Reference> parse_reference(std::string_view text) {
  if (text.empty()) return bad(text, "it is empty");
  if (text.size() > kMaxText) return bad(text, "it is longer than 1024 characters");
  if (text.size() == 64 && is_hex(text)) return bad(text, "64 hex digits are an image's id, not its name");
  Reference ref;
  std::string_view rest = text;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    ref.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_digest(ref.digest)) return bad(text, "the digest is neither sha256 with 64 nor sha512 with 128 lower-case hex digits");
  }
  const auto slash = rest.rfind('/');
  if (const auto colon = rest.rfind(':'); colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    ref.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(ref.tag)) return bad(text, "the tag is not 1 to 128 of letters, digits, '_', '.', '-'");
  }
  const auto first_slash = rest.find('/');
  if (first_slash != std::string_view::npos && looks_like_domain(rest.substr(0, first_slash))) {
    ref.domain = rest.substr(0, first_slash);
    rest = rest.substr(first_slash + 1);
  } else {
    ref.domain = "docker.io";
  }
  if (ref.domain == "index.docker.io") ref.domain = "docker.io";
  if (!is_domain(ref.domain)) return bad(text, "the registry's host name is malformed");
  ref.repository = rest;
  for (std::string_view path = rest;;) {
    const auto end = path.find('/');
    if (!is_path_component(path.substr(0, end)))
      return bad(text, "each part of the name must be lower-case letters and digits, joined by '.', '_', '__' or dashes");
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  if (ref.domain == "docker.io" && rest.find('/') == std::string_view::npos) ref.repository = "library/" + ref.repository;
  if (ref.name().size() > kMaxName) return bad(text, "the name is longer than 255 characters");
  if (ref.tag.empty() && ref.digest.empty()) ref.tag = "latest";
  return ref;
}

std::string registry_host(std::string_view domain) {
  return domain == "docker.io" ? "registry-1.docker.io" : std::string(domain);
}

bool is_loopback_host(std::string_view host) {
  if (host.starts_with("[")) return host.substr(0, host.find(']') + 1) == "[::1]";
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  // Four numbers, so that 127.0.0.1.example.org is not taken for this host.
  return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
         std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

}  // namespace slipway::image
