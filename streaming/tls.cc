// OpenSSL's contexts, made from files.
#include "streaming/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <boost/asio/error.hpp>
#include <utility>

#include "base/format.h"
#include "base/log.h"

namespace slipway::streaming {
namespace {

constexpr int kMaxChain = 64 * 1024;  // bytes of certificates that a client may send
constexpr int kMaxDepth = 8;

std::string last_error() {
  const unsigned long code = ERR_peek_error();  // the first is the reason, those behind it say who called whom
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  const int system = code != 0 && ERR_SYSTEM_ERROR(code) ? ERR_GET_REASON(code) : 0;
  ERR_clear_error();
  if (system != 0) return std::generic_category().message(system);
  return text == nullptr ? "unknown reason" : text;
}

Error bad_file(const char* what, const std::string& path) {
  return fail(Code::invalid_argument, "{} '{}': {}", what, path, last_error());
}

// A key with a pass phrase would ask for it at a terminal.
int no_pass_phrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) {
  return -1;
}

Result<SslContext> new_context(const SSL_METHOD* method) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(method));
  if (context == nullptr) return fail(Code::internal, "TLS: {}", last_error());
  SSL_CTX* c = context.get();
  SSL_CTX_set_default_passwd_cb(c, no_pass_phrase);
  SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(c, kMaxChain);
  SSL_CTX_set_verify_depth(c, kMaxDepth);
  if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 || SSL_CTX_set_num_tickets(c, 0) != 1 ||
      SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
    return fail(Code::internal, "TLS: {}", last_error());
  return context;
}

Result<void> use_certificate(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) return bad_file("certificate", certificate);
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) return bad_file("key", key);
  if (SSL_CTX_check_private_key(context) != 1) return bad_file("key", key);
  return {};
}

Result<SslContext> server_context(const TlsFiles& files) {
  TRY_ASSIGN(SslContext context, new_context(TLS_server_method()));
  TRY(use_certificate(context.get(), files.certificate, files.key));
  if (files.client_ca.empty()) return context;
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(files.client_ca.c_str());
  if (names == nullptr) return bad_file("client authorities", files.client_ca);
  SSL_CTX_set_client_CA_list(context.get(), names);
  if (SSL_CTX_load_verify_file(context.get(), files.client_ca.c_str()) != 1) return bad_file("client authorities", files.client_ca);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

// What tells one content of a file from another without reading it. An absent one is as good as any other change.
std::string fingerprint(const TlsFiles& files) {
  std::string out;
  for (const std::string* path : {&files.certificate, &files.key, &files.client_ca}) {
    struct stat st {};
    if (!path->empty() && ::stat(path->c_str(), &st) == 0)
      out += fmt::format("{}:{} {} {}.{} {}.{}", st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ctim.tv_sec,
                         st.st_ctim.tv_nsec);
    out += ';';
  }
  return out;
}

struct FreeX509 {
  void operator()(X509* x509) const { X509_free(x509); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};

Result<void> check_exactly(SSL* ssl, const std::string& path) {
  const std::unique_ptr<BIO, FreeX509> file(BIO_new_file(path.c_str(), "r"));
  if (file == nullptr) return bad_file("certificate", path);
  const std::unique_ptr<X509, FreeX509> wanted(PEM_read_bio_X509(file.get(), nullptr, no_pass_phrase, nullptr));
  if (wanted == nullptr) return bad_file("certificate", path);
  const std::unique_ptr<X509, FreeX509> shown(SSL_get1_peer_certificate(ssl));
  if (shown != nullptr && X509_cmp(shown.get(), wanted.get()) == 0) return {};
  return fail(Code::unauthenticated, "the streaming server does not show the certificate in '{}'", path);
}

}  // namespace

Result<TlsCredentials> TlsCredentials::open(TlsFiles files) {
  std::string seen = fingerprint(files);
  TRY_ASSIGN(SslContext context, server_context(files));
  return TlsCredentials(std::move(files), std::move(seen), std::move(context));
}

Result<SslPtr> TlsCredentials::accept(FdRef socket) {
  if (std::string now = fingerprint(files_); now != seen_) {
    auto context = server_context(files_);
    if (context.ok()) {
      context_ = std::move(context).take();
      log::info("streaming: certificates were read again");
    } else {
      log::warn("streaming: the changed certificates cannot be used, those before serve on: {}", context.error().message);
    }
    seen_ = std::move(now);
  }
  ERR_clear_error();
  SslPtr ssl(SSL_new(context_.get()));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket.get()) != 1) return fail(Code::resource_exhausted, "TLS: {}", last_error());
  SSL_set_accept_state(ssl.get());
  return ssl;
}

Result<SslPtr> connect_tls(FdRef socket, const TlsTrust& trust, const std::string& address) {
  TRY_ASSIGN(const SslContext context, new_context(TLS_client_method()));
  if (!trust.certificate.empty()) TRY(use_certificate(context.get(), trust.certificate, trust.key.empty() ? trust.certificate : trust.key));
  if (!trust.ca.empty()) {
    if (SSL_CTX_load_verify_file(context.get(), trust.ca.c_str()) != 1) return bad_file("authorities", trust.ca);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  SslPtr ssl(SSL_new(context.get()));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket.get()) != 1 ||
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), address.c_str()) != 1)
    return fail(Code::internal, "TLS to {}: {}", address, last_error());
  const int returned = SSL_connect(ssl.get());
  if (returned != 1) {
    if (step_of(ssl.get(), returned) != TlsStep::failed)
      return fail(Code::deadline_exceeded, "TLS to {}: the other side does not answer", address);
    const long verified = SSL_get_verify_result(ssl.get());
    const std::string why =
        verified == X509_V_OK || trust.ca.empty() ? reason_of(ssl.get(), returned) : X509_verify_cert_error_string(verified);
    return fail(Code::unauthenticated, "TLS to {}: {}", address, why);
  }
  if (trust.ca.empty()) TRY(check_exactly(ssl.get(), trust.exactly));
  return ssl;
}

TlsStep step_of(SSL* ssl, int returned) {
  if (returned > 0) return TlsStep::done;
  const int error = SSL_get_error(ssl, returned);
  return error == SSL_ERROR_WANT_READ ? TlsStep::wants_read : error == SSL_ERROR_WANT_WRITE ? TlsStep::wants_write : TlsStep::failed;
}

boost::system::error_code failure_of(SSL* ssl, int returned) {
  const int system = errno;
  const int error = SSL_get_error(ssl, returned);
  const bool ended = error == SSL_ERROR_ZERO_RETURN || ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  ERR_clear_error();
  if (ended) return boost::asio::error::eof;
  if (error == SSL_ERROR_SYSCALL && system != 0) return {system, boost::system::system_category()};
  return boost::asio::error::connection_reset;
}

std::string reason_of(SSL* ssl, int returned) {
  const int system = errno;
  const int error = SSL_get_error(ssl, returned);
  const bool told = ERR_peek_last_error() != 0;
  if (error == SSL_ERROR_SYSCALL && !told && system != 0) return std::generic_category().message(system);
  if (!told) return "the other side has closed the connection";
  return last_error();
}

}  // namespace slipway::streaming
