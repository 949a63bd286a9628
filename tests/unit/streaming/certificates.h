// Certificates that a test makes for itself: an authority, and who it certifies, as PEM files.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>
#include <string>

namespace slipway::test {

class Authority {
 public:
  explicit Authority(const std::string& name) : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    fill(certificate_, name, key_, "CA:TRUE", "");
  }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  ~Authority() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }

  void write(const std::string& path) const { write_pem(path, certificate_, nullptr); }
  // Certificate and key of somebody at 127.0.0.1; `certificate` and `key` may be one path.
  void certify(const std::string& name, const std::string& certificate, const std::string& key) const {
    EVP_PKEY* own = EVP_EC_gen("P-256");
    X509* made = X509_new();
    fill(made, name, own, "CA:FALSE", "IP:127.0.0.1");
    write_pem(certificate, made, certificate == key ? own : nullptr);
    if (certificate != key) write_pem(key, nullptr, own);
    X509_free(made);
    EVP_PKEY_free(own);
  }

 private:
  void fill(X509* certificate, const std::string& name, EVP_PKEY* key, const char* constraint, const std::string& address) const {
    static long serial = 1;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()),
                               -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate_));
    extend(certificate, NID_basic_constraints, constraint);
    if (!address.empty()) extend(certificate, NID_subject_alt_name, address);
    REQUIRE(X509_sign(certificate, key_, EVP_sha256()) > 0);
  }
  static void extend(X509* certificate, int kind, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    REQUIRE(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  // By another name first, as those who rotate certificates do.
  static void write_pem(const std::string& path, X509* certificate, EVP_PKEY* key) {
    const std::string temporary = path + ".new";
    std::FILE* file = std::fopen(temporary.c_str(), "w");
    REQUIRE(file != nullptr);
    if (certificate != nullptr) REQUIRE(PEM_write_X509(file, certificate) == 1);
    if (key != nullptr) REQUIRE(PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(file);
    REQUIRE(std::rename(temporary.c_str(), path.c_str()) == 0);
  }

  EVP_PKEY* key_;
  X509* certificate_;
};

}  // namespace slipway::test
