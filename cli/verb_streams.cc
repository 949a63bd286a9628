// exec with a terminal or input, attach, port-forward: the verbs that stay connected.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/port_forward.h"
#include "cli/remote_command.h"
#include "cli/targets.h"
#include "cli/verbs.h"

namespace slipway::cli {
namespace {

struct Streams {
  bool in = false, tty = false;
};

// What the container was made with: attaching has to ask for the same.
Result<Streams> streams_of(Client& client, const std::string& container) {
  TRY_ASSIGN(const admin::InspectReply reply, client.inspect(container));
  const auto json = nlohmann::json::parse(reply.json(), nullptr, false);
  const auto flag = [&json](const char* pointer) {
    const nlohmann::json::json_pointer at(pointer);
    return json.is_object() && json.contains(at) && json.at(at).is_boolean() && json.at(at).get<bool>();
  };
  return Streams{flag("/spec/stdin"), flag("/spec/tty")};
}

// Where slipwayd streams by TLS and no authority is named, it has to show the certificate that it says, by its own socket, it has.
Result<StreamUrl> reachable(Session& session, std::string url) {
  StreamUrl out{std::move(url), session.tls};
  if (!out.text.starts_with("https://") || !out.trust.ca.empty()) return out;
  TRY_ASSIGN(const auto status, session.client.status());
  const auto found = status.info().find("config");
  const auto config = nlohmann::json::parse(found == status.info().end() ? "" : found->second, nullptr, false);
  const nlohmann::json::json_pointer at("/streaming/tls_certificate");
  if (!config.is_object() || !config.contains(at) || !config.at(at).is_string() || config.at(at).get<std::string>().empty())
    return fail(Code::failed_precondition, "{} does not say what its certificate is: name an authority by --tls-ca", out.text);
  out.trust.exactly = config.at(at).get<std::string>();
  return out;
}

Result<int> attach_to(Session& session, const std::string& name, bool no_input) {
  TRY_ASSIGN(const Target target, container_of(session.client, name));
  TRY_ASSIGN(Streams streams, streams_of(session.client, target.id));
  streams.in = streams.in && !no_input;
  v1::AttachRequest request;
  request.set_container_id(target.id);
  request.set_stdin(streams.in);
  request.set_stdout(true);
  request.set_tty(streams.tty);
  request.set_stderr(!streams.tty);
  TRY_ASSIGN(std::string text, session.client.attach_url(request));
  TRY_ASSIGN(const StreamUrl url, reachable(session, std::move(text)));
  TRY_ASSIGN(const int code, run_remote({url, streams.in, streams.tty}));
  if (code != 0) return code;
  // The session says nothing of how the container ended.
  const auto status = session.client.container_status(target.id);
  return status.ok() && status.value().status().state() == v1::CONTAINER_EXITED ? status.value().status().exit_code() : 0;
}

}  // namespace

Result<int> exec_stream(Session& session, const ExecOptions& options, const std::string& container) {
  v1::ExecRequest request;
  request.set_container_id(container);
  for (const auto& word : options.command) request.add_cmd(word);
  request.set_stdin(options.interactive);
  request.set_stdout(true);
  request.set_tty(options.tty);
  request.set_stderr(!options.tty);
  auto text = session.client.exec_url(request);
  if (!text.ok()) return report(text.error(), kExitSlipway);
  const auto url = reachable(session, std::move(text).take());
  if (!url.ok()) return report(url.error(), kExitSlipway);
  auto code = run_remote({url.value(), options.interactive, options.tty});
  if (code.ok() || code.error().sys_errno == EPIPE) return code;
  return report(code.error(), exit_code_of_start(code.error()));
}

// Its own failures have a code that a container's end seldom has.
Result<int> attach(Session& session, const std::string& name, bool no_input) {
  auto code = attach_to(session, name, no_input);
  return code.ok() ? code : report(code.error(), kExitSlipway);
}

Result<int> port_forward(Session& session, const std::string& name, const std::vector<std::string>& ports) {
  std::vector<ForwardedPort> parsed;
  v1::PortForwardRequest request;
  for (const std::string& text : ports) {
    const auto port = parse_forwarded_port(text);
    if (!port.ok()) return report(port.error(), kExitUsage);
    parsed.push_back(port.value());
    request.add_port(port.value().remote);
  }
  TRY_ASSIGN(const auto pods, session.client.pods());
  TRY_ASSIGN(const auto containers, session.client.containers());
  TRY_ASSIGN(const Target target, find_target(targets_of(pods, containers), name));
  request.set_pod_sandbox_id(target.pod_id);
  TRY_ASSIGN(std::string text, session.client.port_forward_url(request));
  TRY_ASSIGN(const StreamUrl url, reachable(session, std::move(text)));
  return forward_ports(url, parsed);
}

}  // namespace slipway::cli
