// Challenges and credentials.
#include "image/auth.h"

#include <algorithm>
#include <cctype>

#include "image/http.h"

namespace slipway::image {
namespace {

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string_view host_of(std::string_view address) {
  if (const auto scheme = address.find("://"); scheme != std::string_view::npos) address.remove_prefix(scheme + 3);
  return address.substr(0, address.find('/'));
}

}  // namespace

// Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"
Result<Challenge> parse_challenge(std::string_view header) {
  Challenge out;
  const auto space = std::min(header.find(' '), header.size());
  for (const char c : header.substr(0, space)) out.scheme += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view rest = header.substr(space);
  for (;;) {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == ',')) rest.remove_prefix(1);
    if (rest.empty()) return out;
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos || out.values.size() > 16)
      return fail(Code::unavailable, "the registry demands authentication in an unknown form");
    const std::string key(rest.substr(0, equals));
    rest.remove_prefix(equals + 1);
    std::string value;
    if (rest.starts_with('"')) {
      std::size_t i = 1;
      for (; i < rest.size() && rest[i] != '"'; ++i) {
        if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
        value += rest[i];
      }
      rest.remove_prefix(std::min(i + 1, rest.size()));
    } else {
      value = rest.substr(0, rest.find(','));
      rest.remove_prefix(value.size());
    }
    if (has_control(value)) return fail(Code::unavailable, "the registry demands authentication in a malformed way");
    out.values[key] = std::move(value);
  }
}

Result<Credentials> credentials_for(const engine::RegistryAuth& auth, std::string_view domain, std::string_view host) {
  Credentials out;
  if (!auth.server_address.empty()) {
    const std::string_view server = host_of(auth.server_address);
    const bool hub = domain == "docker.io" && (server == "index.docker.io" || server == "docker.io");
    if (server != domain && server != host && !hub) return out;
  }
  out.identity_token = auth.identity_token;
  out.registry_token = auth.registry_token;
  out.username = auth.username;
  out.password = auth.password;
  if (!out.has_password() && !auth.auth.empty()) {
    TRY_ASSIGN(std::string both, decode_base64(auth.auth).context("auth of the pull request"));
    while (!both.empty() && both.back() == '\0') both.pop_back();
    const auto colon = both.find(':');
    if (colon == std::string::npos) return fail(Code::invalid_argument, "auth of the pull request: not base64 of 'user:password'");
    out.username = both.substr(0, colon);
    out.password = both.substr(colon + 1);
  }
  if (has_control(out.registry_token) || has_control(out.identity_token))
    return fail(Code::invalid_argument, "a token of the pull request has control characters");
  return out;
}

}  // namespace slipway::image
