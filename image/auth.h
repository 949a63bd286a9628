// What a registry demands (WWW-Authenticate) and what a pull was given to answer it with.
//
// Pure; any thread. The token protocol: distribution's "Token Authentication Specification"; Basic: RFC 7617.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/ports.h"

namespace slipway::image {

struct Challenge {
  std::string scheme;                         // lower-case: "bearer", "basic"
  std::map<std::string, std::string> values;  // "realm", "service", "scope"
};
Result<Challenge> parse_challenge(std::string_view header);

struct Credentials {
  std::string username, password;
  std::string identity_token;  // an OAuth2 refresh token
  std::string registry_token;  // a bearer token, ready for use
  bool has_password() const { return !username.empty() || !password.empty(); }
};

// Out of CRI's AuthConfig. None where server_address names another registry than `host`: they are not meant for it.
Result<Credentials> credentials_for(const engine::RegistryAuth& auth, std::string_view domain, std::string_view host);

}  // namespace slipway::image
