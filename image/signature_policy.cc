// Reading the policy, and its look-ups.
#include "image/signature_policy.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/text.h"
#include "image/http.h"
#include "image/json_text.h"

namespace slipway::image {
namespace {

using Kind = Requirement::Kind;
using Fields = std::set<std::string_view>;

// The parser would keep the last of two members of one name.
bool has_repeated_member(std::string_view text) {
  std::vector<std::set<std::string>> open;
  bool repeated = false;
  const auto look = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second) repeated = true;
    return true;
  };
  const Json parsed = Json::parse(text, look, false);
  return repeated || parsed.is_discarded();
}

// An object of no other members than these, none of them null.
Result<void> check_members(const std::string& where, const Json& object, const Fields& known) {
  if (!object.is_object()) return fail(Code::invalid_argument, "{}: not an object", where);
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key)) return fail(Code::invalid_argument, "{}: unknown field '{}'", where, key);
    if (value.is_null()) return fail(Code::invalid_argument, "{}.{}: null", where, key);
  }
  return {};
}

// "" where absent.
Result<std::string> text_of(const std::string& where, const Json& object, const char* key) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string() || value->get_ref<const std::string&>().empty())
    return fail(Code::invalid_argument, "{}.{}: not a text, or empty", where, key);
  return value->get<std::string>();
}

Result<std::vector<std::string>> texts_of(const std::string& where, const Json& object, const char* key) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::vector<std::string>();
  std::vector<std::string> out = strings_member(object, key);
  if (!value->is_array() || out.empty() || out.size() != value->size())
    return fail(Code::invalid_argument, "{}.{}: not a list of texts, or empty", where, key);
  return out;
}

Result<SignedIdentity> identity_of(const std::string& where, const Json& json) {
  using Of = SignedIdentity::Kind;
  struct Form {
    const char* type;
    Of kind;
    const char *name, *second;  // fields it wants
  };
  static constexpr std::array<Form, 6> kForms = {{{"matchExact", Of::exact, nullptr, nullptr},
                                                  {"matchRepoDigestOrExact", Of::repo_digest_or_exact, nullptr, nullptr},
                                                  {"matchRepository", Of::repository, nullptr, nullptr},
                                                  {"exactReference", Of::exact_reference, "dockerReference", nullptr},
                                                  {"exactRepository", Of::exact_repository, "dockerRepository", nullptr},
                                                  {"remapIdentity", Of::remap, "prefix", "signedPrefix"}}};
  TRY_ASSIGN(const std::string type, text_of(where, json, "type"));
  const auto* const form = std::find_if(kForms.begin(), kForms.end(), [&](const Form& each) { return type == each.type; });
  if (form == kForms.end()) return fail(Code::invalid_argument, "{}.type: '{}' is none that is known", where, type);
  Fields fields = {"type"};
  for (const char* field : {form->name, form->second})
    if (field != nullptr) fields.insert(field);
  TRY(check_members(where, json, fields));
  SignedIdentity out{form->kind, {}, {}};
  for (const auto& [field, value] : {std::pair(form->name, &out.name), std::pair(form->second, &out.signed_prefix)}) {
    if (field == nullptr) continue;
    TRY_ASSIGN(*value, text_of(where, json, field));
    if (value->empty()) return fail(Code::invalid_argument, "{}: '{}' wants a field '{}'", where, type, field);
  }
  return out;
}

Result<void> read_identity(const std::string& where, const Json& json, Requirement& out) {
  const Json* identity = member(json, "signedIdentity");
  if (identity == nullptr) return {};
  TRY_ASSIGN(out.identity, identity_of(where + ".signedIdentity", *identity));
  return {};
}

Result<void> want_one_of(const std::string& where, const Json& json, std::initializer_list<const char*> fields) {
  const auto count = std::count_if(fields.begin(), fields.end(), [&](const char* field) { return json.contains(field); });
  if (count == 1) return {};
  return fail(Code::invalid_argument, "{}: {} of {}, one is wanted", where, count, join(fields, ", "));
}

Result<Requirement> sigstore_of(const std::string& where, const Json& json) {
  TRY(check_members(where, json,
                    {"type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyPaths",
                     "rekorPublicKeyData", "rekorPublicKeyDatas", "signedIdentity"}));
  TRY(want_one_of(where, json, {"keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki"}));
  Requirement out;
  out.kind = Kind::sigstore;
  TRY(read_identity(where, json, out));
  for (const auto& [key, value] : json.items())
    if (key == "fulcio" || key == "pki" || key.starts_with("rekor")) {
      out.kind = Kind::unverifiable;
      out.reason = fmt::format("'{}' of sigstoreSigned is more than slipway can verify", key);
      return out;
    }
  TRY_ASSIGN(out.key_paths, texts_of(where, json, "keyPaths"));
  TRY_ASSIGN(std::string path, text_of(where, json, "keyPath"));
  if (!path.empty()) out.key_paths.push_back(std::move(path));
  TRY_ASSIGN(std::vector<std::string> datas, texts_of(where, json, "keyDatas"));
  TRY_ASSIGN(std::string data, text_of(where, json, "keyData"));
  if (!data.empty()) datas.push_back(std::move(data));
  for (const std::string& each : datas) {
    TRY_ASSIGN(std::string key, decode_base64(each).context("{}: a key", where));
    out.keys.push_back(std::move(key));
  }
  return out;
}

// GPG's: looked at for its form alone.
Result<Requirement> unverifiable_of(const std::string& where, const Json& json, const std::string& type) {
  if (type == "signedBy") {
    TRY(check_members(where, json, {"type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"}));
    TRY(want_one_of(where, json, {"keyPath", "keyPaths", "keyData"}));
  } else {
    TRY(check_members(where, json, {"type", "baseLayerIdentity"}));
  }
  Requirement out;
  out.kind = Kind::unverifiable;
  out.reason = fmt::format("slipway cannot verify signatures of type '{}'", type);
  TRY(read_identity(where, json, out));
  return out;
}

Result<Requirement> requirement_of(const std::string& where, const Json& json) {
  TRY_ASSIGN(const std::string type, text_of(where, json, "type"));
  if (type == "sigstoreSigned") return sigstore_of(where, json);
  if (type == "signedBy" || type == "signedBaseLayer") return unverifiable_of(where, json, type);
  TRY(check_members(where, json, {"type"}));
  Requirement out;
  if (type == "insecureAcceptAnything")
    out.kind = Kind::accept;
  else if (type != "reject")
    return fail(Code::invalid_argument, "{}.type: '{}' is none that is known", where, type);
  return out;
}

Result<Requirements> requirements_of(const std::string& where, const Json& json) {
  if (!json.is_array() || json.empty()) return fail(Code::invalid_argument, "{}: not a list of requirements, or empty", where);
  Requirements out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    TRY_ASSIGN(Requirement requirement, requirement_of(fmt::format("{}[{}]", where, i), json[i]));
    out.push_back(std::move(requirement));
  }
  return out;
}

// Most specific first: the image, its repository, what that is in, the host, and "*.DOMAIN" of the host's name.
std::vector<std::string> scopes_of(const Reference& reference) {
  std::string name = reference.name();
  std::vector<std::string> out = {reference.digest.empty() ? name + ":" + reference.tag : name + "@" + reference.digest};
  for (auto slash = name.rfind('/');; slash = name.rfind('/')) {
    out.push_back(name);
    if (slash == std::string::npos) break;
    name.resize(slash);
  }
  name.resize(std::min(name.find(':'), name.size()));
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.')) {
    name.erase(0, dot + 1);
    out.push_back("*." + name);
  }
  return out;
}

// A name as a signature has it: nothing is added to it, so that one without tag and digest names a repository alone.
struct Named {
  std::string repository, whole;  // `whole` empty: neither tag nor digest
};

std::optional<Named> named(std::string_view text) {
  auto reference = parse_reference(text);
  if (!reference.ok()) return std::nullopt;
  const Reference& parsed = reference.value();
  const bool bare = parsed.digest.empty() && parsed.tag == "latest" && !text.ends_with(":latest");
  return Named{parsed.name(), bare ? "" : parsed.canonical()};
}

std::string remapped(const SignedIdentity& identity, const std::string& name) {
  if (name == identity.name) return identity.signed_prefix;
  return name.starts_with(identity.name + "/") ? identity.signed_prefix + name.substr(identity.name.size()) : name;
}

}  // namespace

Result<SignaturePolicy> parse_signature_policy(std::string_view text) {
  TRY_ASSIGN(const Json json, parse_json("policy", text));
  if (has_repeated_member(text)) return fail(Code::invalid_argument, "policy: a field is there twice");
  TRY(check_members("policy", json, {"default", "transports"}));
  const Json* fallback = member(json, "default");
  if (fallback == nullptr) return fail(Code::invalid_argument, "policy: 'default' is missing");
  SignaturePolicy out;
  TRY_ASSIGN(out.fallback, requirements_of("default", *fallback));
  const Json* transports = member(json, "transports");
  if (transports == nullptr) return out;
  if (!transports->is_object()) return fail(Code::invalid_argument, "policy.transports: not an object");
  for (const auto& [transport, scopes] : transports->items()) {
    if (!scopes.is_object()) return fail(Code::invalid_argument, "transports.{}: not an object", transport);
    for (const auto& [scope, list] : scopes.items()) {
      TRY_ASSIGN(Requirements requirements, requirements_of(fmt::format("transports.{}.'{}'", transport, scope), list));
      if (transport == "docker") out.docker.emplace(scope, std::move(requirements));
    }
  }
  return out;
}

ScopedRequirements requirements_for(const SignaturePolicy& policy, const Reference& reference) {
  std::vector<std::string> scopes = scopes_of(reference);
  scopes.emplace_back();
  for (const std::string& scope : scopes)
    if (const auto found = policy.docker.find(scope); found != policy.docker.end())
      return {fmt::format("transports.docker.'{}'", scope), found->second};
  return {"default", policy.fallback};
}

bool identity_accepted(const SignedIdentity& identity, const Reference& pulled, std::string_view signed_name) {
  using Of = SignedIdentity::Kind;
  const auto signature = named(signed_name);
  if (!signature) return false;
  const bool by_digest = !pulled.digest.empty();
  const auto matches = [&](const std::string& repository, bool exactly) {
    if (!exactly) return signature->repository == repository;
    return signature->whole == repository + (by_digest ? "@" + pulled.digest : ":" + pulled.tag);
  };
  switch (identity.kind) {
    case Of::repository: return matches(pulled.name(), false);
    case Of::exact: return matches(pulled.name(), true);
    case Of::repo_digest_or_exact: return !signature->whole.empty() && matches(pulled.name(), !by_digest);
    case Of::remap: return !signature->whole.empty() && matches(remapped(identity, pulled.name()), !by_digest);
    case Of::exact_reference: {
      const auto wanted = named(identity.name);
      return wanted && !wanted->whole.empty() && signature->whole == wanted->whole;
    }
    case Of::exact_repository: {
      const auto wanted = named(identity.name);
      return wanted && signature->repository == wanted->repository;
    }
  }
  return false;
}

}  // namespace slipway::image
