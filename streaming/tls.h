// TLS of the streaming connections: which certificates this end shows and trusts, and one connection's cipher state.
//
// Both ends speak TLS 1.2 or 1.3 with forward secrecy, without renegotiation, resumption or compression. Errors name the file or what
// OpenSSL says. SIGPIPE has to be ignored: OpenSSL writes by write(2).
#pragma once

#include <openssl/ssl.h>

#include <boost/system/error_code.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::streaming {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, FreeSsl>;
using SslContext = std::unique_ptr<SSL_CTX, FreeSsl>;

struct TlsFiles {  // PEM; one file may be both certificate and key
  std::string certificate, key;
  std::string client_ca;  // empty: clients need no certificate
};

// The server's side: its files, read again once they have changed. One thread.
class TlsCredentials {
 public:
  static Result<TlsCredentials> open(TlsFiles files);

  // The server's state of a connection on `socket`, which outlives it. Files that cannot be used (half written, say) are told in the log
  // once; until they are mended the ones before serve.
  Result<SslPtr> accept(FdRef socket);

 private:
  TlsCredentials(TlsFiles files, std::string seen, SslContext context)
      : files_(std::move(files)), seen_(std::move(seen)), context_(std::move(context)) {}

  TlsFiles files_;
  std::string seen_;  // inodes, sizes and times of what was read last
  SslContext context_;
};

struct TlsTrust {                // of a client
  std::string ca;                // PEM: whoever these authorities certify as the address we connect to …
  std::string exactly;           // … or, where `ca` is empty, whoever shows the first certificate of this file
  std::string certificate, key;  // to show; empty: none
};

// A client's side after the handshake, which waits as long as the socket's own time-outs let it. `address`: the IP address of the URL.
Result<SslPtr> connect_tls(FdRef socket, const TlsTrust& trust, const std::string& address);

// What one non-blocking SSL_read, SSL_write or SSL_do_handshake came to, asked right after it.
enum class TlsStep { done, wants_read, wants_write, failed };
TlsStep step_of(SSL* ssl, int returned);
// Of a failed step: end of file where the other side has closed, with or without saying so.
boost::system::error_code failure_of(SSL* ssl, int returned);
// The same for people.
std::string reason_of(SSL* ssl, int returned);

}  // namespace slipway::streaming
