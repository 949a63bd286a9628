// Who may be pulled: the policy file, which of its requirements counts, which name and which key a signature has to have.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <catch2/catch.hpp>
#include <memory>

#include "image/http.h"
#include "image/signature_policy.h"
#include "image/signatures.h"
#include "tests/unit/image/test_server.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::image;
using namespace slipway::test;

namespace {

using Of = SignedIdentity::Kind;

class Signer {
 public:
  explicit Signer(EVP_PKEY* key) : key_(key, EVP_PKEY_free) { REQUIRE(key != nullptr); }
  Signer() : Signer(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")) {}

  std::string pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
    REQUIRE(PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  std::string sign(std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    const EVP_MD* hash = EVP_PKEY_base_id(key_.get()) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
    std::string out(1024, '\0');
    std::size_t size = out.size();
    REQUIRE(EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get()) == 1);
    REQUIRE(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes, text.size()) == 1);
    out.resize(size);
    return encode_base64(out);
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

std::string payload(const std::string& digest, const std::string& name) {
  return R"({"critical":{"identity":{"docker-reference":")" + name + R"("},"image":{"docker-manifest-digest":")" + digest +
         R"("},"type":"cosign container image signature"},"optional":null})";
}

std::string policy_text(const std::string& requirement) {
  return R"({"default":[{"type":"reject"}],"transports":{"docker":{"":[)" + requirement + "]}}}";
}

std::string refusal(const std::string& text) {
  const auto policy = parse_signature_policy(text);
  return policy.ok() ? "" : policy.error().message;
}

std::string scope_of(const SignaturePolicy& policy, const std::string& name) {
  return requirements_for(policy, parse_reference(name).value()).scope;
}

// A registry with one image and signatures beside it.
struct Signed {
  TestImage image{{make_tar({file("a", "a")})}};
  std::string signatures;  // the manifest of sha256-….sig; empty: 404
  TestServer server{[this](const ServedRequest& request) { return serve(request); }};
  std::string name = server.host() + "/a/b";
  TempDir dir;

  ServedReply serve(const ServedRequest& request) const {
    if (!request.target.ends_with(".sig")) return image.serve(request);
    if (signatures.empty()) return {404, {}, R"({"errors":[{"message":"manifest unknown"}]})"};
    return {200, {"Content-Type: " + std::string(oci::kMediaOciManifest)}, signatures};
  }
  void attach(const std::vector<std::pair<std::string, std::string>>& payloads_and_signatures) {
    std::string layers;
    for (const auto& [text, signature] : payloads_and_signatures) {
      layers += std::string(layers.empty() ? "" : ",") + R"({"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":")" +
                image.add(text) + R"(","size":)" + std::to_string(text.size()) +
                R"(,"annotations":{"dev.cosignproject.cosign/signature":")" + signature + R"("}})";
    }
    signatures = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":)"
                 R"("application/vnd.oci.image.config.v1+json","digest":")" +
                 image.id + R"(","size":2},"layers":[)" + layers + "]}";
  }
  Result<void> check(const std::string& requirement, const std::string& tag = ":1") {
    write_file(dir.path + "/policy.json", policy_text(requirement));
    const Reference reference = parse_reference(name + tag).value();
    auto demands = read_demands(dir.path + "/policy.json", name + tag);
    if (!demands.ok()) return demands.error();
    auto registry = Registry::open(reference, {});
    REQUIRE(registry.ok());
    HttpClient client(registry.value().http_options());
    Registry opened = std::move(registry).take();
    return check_signatures(demands.value(), reference, opened, client, {image.manifest_digest});
  }
  static void write_file(const std::string& path, const std::string& text) {
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
    REQUIRE(file != nullptr);
    REQUIRE(std::fwrite(text.data(), 1, text.size(), file.get()) == text.size());
  }
  std::string wants(const Signer& signer, const std::string& identity = R"({"type":"matchRepository"})") const {
    return R"({"type":"sigstoreSigned","keyData":")" + encode_base64(signer.pem()) + R"(","signedIdentity":)" + identity + "}";
  }
};

}  // namespace

TEST_CASE("a policy is strict about what it says", "[image]") {
  CHECK(refusal(R"({"default":[{"type":"reject"}]})").empty());
  CHECK(refusal(R"({"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker-daemon":{"":[{"type":"reject"}]}}})").empty());
  CHECK_THAT(refusal("{"), Catch::Contains("JSON"));
  CHECK_THAT(refusal("{}"), Catch::Contains("'default' is missing"));
  CHECK_THAT(refusal(R"({"default":[]})"), Catch::Contains("default"));
  CHECK_THAT(refusal(R"({"default":[{"type":"reject"}],"Default":[]})"), Catch::Contains("'Default'"));
  CHECK_THAT(refusal(R"({"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]})"), Catch::Contains("twice"));
  CHECK_THAT(refusal(R"({"default":[{"type":"reject","keyPath":"/k"}]})"), Catch::Contains("'keyPath'"));
  CHECK_THAT(refusal(R"({"default":[{"type":"accept"}]})"), Catch::Contains("'accept'"));
  CHECK_THAT(refusal(policy_text(R"({"type":"sigstoreSigned"})")), Catch::Contains("keyPath"));
  CHECK_THAT(refusal(policy_text(R"({"type":"sigstoreSigned","keyPath":"/k","keyData":"aa=="})")), Catch::Contains("2 of keyPath"));
  CHECK_THAT(refusal(policy_text(R"({"type":"sigstoreSigned","keyPath":7})")), Catch::Contains("keyPath"));
  CHECK_THAT(refusal(policy_text(R"({"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"any"}})")), Catch::Contains("'any'"));
  CHECK_THAT(refusal(policy_text(R"({"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"exactReference"}})")),
             Catch::Contains("'dockerReference'"));
}

TEST_CASE("the most specific scope counts alone", "[image]") {
  const std::string any = R"([{"type":"insecureAcceptAnything"}])";
  auto parsed =
      parse_signature_policy(R"({"default":[{"type":"reject"}],"transports":{"docker":{"r.example.com:5000/ns/a:1":)" + any +
                             R"(,"r.example.com:5000/ns/a":)" + any + R"(,"r.example.com:5000/ns":)" + any + R"(,"r.example.com:5000":)" +
                             any + R"(,"*.example.com":)" + any + R"(,"docker.io/library/busybox":)" + any + "}}}");
  REQUIRE(parsed.ok());
  SignaturePolicy policy = parsed.value();
  CHECK(scope_of(policy, "r.example.com:5000/ns/a:1") == "transports.docker.'r.example.com:5000/ns/a:1'");
  CHECK(scope_of(policy, "r.example.com:5000/ns/a:2") == "transports.docker.'r.example.com:5000/ns/a'");
  const std::string digest = "@sha256:" + std::string(64, '1');
  CHECK(scope_of(policy, "r.example.com:5000/ns/a:1" + digest) == "transports.docker.'r.example.com:5000/ns/a'");
  CHECK(scope_of(policy, "r.example.com:5000/ns/b/c") == "transports.docker.'r.example.com:5000/ns'");
  CHECK(scope_of(policy, "r.example.com:5000/nsx/b") == "transports.docker.'r.example.com:5000'");
  CHECK(scope_of(policy, "q.example.com/x") == "transports.docker.'*.example.com'");
  CHECK(scope_of(policy, "a.b.example.com:1/x") == "transports.docker.'*.example.com'");
  CHECK(scope_of(policy, "example.com/x") == "default");
  CHECK(scope_of(policy, "badexample.com/x") == "default");
  CHECK(scope_of(policy, "busybox") == "transports.docker.'docker.io/library/busybox'");
  CHECK(scope_of(policy, "debian") == "default");
  policy.docker.emplace("", Requirements(1));
  CHECK(scope_of(policy, "debian") == "transports.docker.''");
}

TEST_CASE("the name in a signature", "[image]") {
  const std::string hex = "sha256:" + std::string(64, '1');
  const Reference tagged = parse_reference("r.io/a/b:1").value(), digested = parse_reference("r.io/a/b:1@" + hex).value();
  struct Row {
    SignedIdentity identity;
    const char* name;
    bool tag, digest;  // accepted for the reference with the tag, and for the one with the digest
  };
  const Row rows[] = {
      {{Of::repository, "", ""}, "r.io/a/b", true, true},
      {{Of::repository, "", ""}, "r.io/a/b:7", true, true},
      {{Of::repository, "", ""}, "r.io/a/bb", false, false},
      {{Of::repository, "", ""}, "not a name", false, false},
      {{Of::repo_digest_or_exact, "", ""}, "r.io/a/b", false, false},
      {{Of::repo_digest_or_exact, "", ""}, "r.io/a/b:1", true, true},
      {{Of::repo_digest_or_exact, "", ""}, "r.io/a/b:2", false, true},
      {{Of::repo_digest_or_exact, "", ""}, "r.io/a/c:1", false, false},
      {{Of::exact, "", ""}, "r.io/a/b:1", true, false},
      {{Of::exact, "", ""}, "r.io/a/b", false, false},
      {{Of::exact_reference, "v.io/x:3", ""}, "v.io/x:3", true, true},
      {{Of::exact_reference, "v.io/x:3", ""}, "v.io/x:4", false, false},
      {{Of::exact_reference, "v.io/x", ""}, "v.io/x", false, false},
      {{Of::exact_repository, "v.io/x", ""}, "v.io/x", true, true},
      {{Of::exact_repository, "v.io/x", ""}, "r.io/a/b", false, false},
      {{Of::remap, "r.io/a", "v.io"}, "v.io/b:1", true, true},
      {{Of::remap, "r.io/a", "v.io"}, "r.io/a/b:1", false, false},
      {{Of::remap, "r.io/aa", "v.io"}, "r.io/a/b:1", true, true},
      {{Of::remap, "r.io/a/b", "v.io/z"}, "v.io/z:1", true, true},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.identity.kind), row.identity.name, row.name);
    CHECK(identity_accepted(row.identity, tagged, row.name) == row.tag);
    CHECK(identity_accepted(row.identity, digested, row.name) == row.digest);
  }
}

TEST_CASE("a signature is its key's over its bytes", "[image][attack]") {
  const std::string text = "some bytes";
  const Signer ec, other;
  const Signer rsa(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})),
      weak(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024}));
  const Signer edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  for (const Signer* signer : {&ec, &rsa, &edwards}) {
    CHECK(verify_signature(signer->pem(), text, signer->sign(text)).ok());
    CHECK_FALSE(verify_signature(signer->pem(), text + "!", signer->sign(text)).ok());
    CHECK_FALSE(verify_signature(other.pem(), text, signer->sign(text)).ok());
    for (const char* bad : {"", "====", "A===AAAA", "AAAA", "not base64"}) CHECK_FALSE(verify_signature(signer->pem(), text, bad).ok());
  }
  CHECK_THAT(verify_signature(weak.pem(), text, weak.sign(text)).error().message, Catch::Contains("1024"));
  const Signer small(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-224"));
  CHECK_THAT(verify_signature(small.pem(), text, small.sign(text)).error().message, Catch::Contains("224"));
  CHECK_THAT(verify_signature("no key", text, ec.sign(text)).error().message, Catch::Contains("no public key"));
}

TEST_CASE("an image is let in by a signature that is for it, and by no other", "[image][attack]") {
  Signed registry;
  const Signer good, other, third;
  const std::string demand = registry.wants(good);
  const std::string right = payload(registry.image.manifest_digest, registry.name);
  const auto refused = [&](const std::string& part) {
    const auto checked = registry.check(demand);
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().code == Code::aborted);
    CHECK_THAT(checked.error().message, Catch::Contains(part));
  };
  refused("has none");
  registry.attach({{right, other.sign(right)}});
  refused("not the key's");
  const std::string elsewhere = payload("sha256:" + std::string(64, '1'), registry.name),
                    renamed = payload(registry.image.manifest_digest, "r.io/x");
  registry.attach({{elsewhere, good.sign(elsewhere)}});
  refused("another image");
  registry.attach({{renamed, good.sign(renamed)}});
  refused("'r.io/x'");
  const std::string foreign = R"({"critical":{"type":"atomic container signature"},"optional":{}})";
  registry.attach({{foreign, good.sign(foreign)}});
  refused("payload");
  registry.signatures = "rubbish";
  refused(".sig");
  registry.attach({{renamed, good.sign(renamed)}, {right, other.sign(right)}, {right, good.sign(right)}});
  const auto accepted = registry.check(demand);
  INFO((accepted.ok() ? "" : accepted.error().message));
  CHECK(accepted.ok());
  // Every requirement of the list, and a name with its tag where the policy does not say otherwise.
  CHECK_FALSE(registry.check(demand + "," + registry.wants(third)).ok());
  CHECK(registry.check(demand + "," + registry.wants(other)).ok());
  CHECK_FALSE(registry.check(registry.wants(good, R"({"type":"matchRepoDigestOrExact"})")).ok());
  CHECK(registry.check(R"({"type":"insecureAcceptAnything"},)" + demand).ok());
}

TEST_CASE("what cannot be verified refuses, and a void policy lets nothing in", "[image][attack]") {
  Signed registry;
  const auto words = [&](const std::string& requirement) {
    const auto checked = registry.check(requirement);
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().code == Code::aborted);
    return checked.error().message;
  };
  CHECK(registry.check(R"({"type":"insecureAcceptAnything"})").ok());
  CHECK_THAT(words(R"({"type":"reject"})"), Catch::Contains("rejected"));
  CHECK_THAT(words(R"({"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"})"), Catch::Contains("signedBy"));
  CHECK_THAT(words(R"({"type":"sigstoreSigned","keyPath":"/k","rekorPublicKeyPath":"/r"})"), Catch::Contains("rekorPublicKeyPath"));
  CHECK_THAT(words(R"({"type":"sigstoreSigned","fulcio":{"caPath":"/c"}})"), Catch::Contains("fulcio"));
  CHECK_THAT(words(R"({"type":"sigstoreSigned","keyPath":"/no/such/key"})"), Catch::Contains("/no/such/key"));
  CHECK_THAT(words(R"({"type":"sigstoreSigned","keyData":"bm8ga2V5"})"), Catch::Contains("no public key"));
  CHECK_THAT(words(R"({"type":"nothing"})"), Catch::Contains("'nothing'"));
  CHECK(registry.server.requests().empty());  // nobody was asked
  const auto absent = read_demands(registry.dir.path + "/absent", registry.name);
  REQUIRE_FALSE(absent.ok());
  CHECK(absent.error().code == Code::aborted);
  CHECK(read_demands("", registry.name).value().scoped.requirements.empty());
}
