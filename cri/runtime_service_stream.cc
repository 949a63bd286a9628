// RuntimeService: the calls that answer with a URL, where the kubelet then streams.
#include "cri/from_proto.h"
#include "cri/runtime_service.h"
#include "streaming/server.h"

namespace slipway::cri {
namespace {

using Kind = streaming::StreamRequest::Kind;

Result<std::string> url_of(streaming::Server* streams, streaming::StreamRequest request) {
  if (streams == nullptr) return fail(Code::unavailable, "the streaming server does not run");
  return streams->url(std::move(request));
}

template <class Request>
Result<engine::StreamSpec> channels_of(const Request& request) {
  if (!request.stdin() && !request.stdout() && !request.stderr())
    return fail(Code::invalid_argument, "stdin, stdout, stderr: at least one has to be set");
  if (request.tty() && request.stderr())
    return fail(Code::invalid_argument, "stderr: true with tty, whose output is one stream: it has to be false");
  engine::StreamSpec spec;
  spec.tty = request.tty();
  spec.in = request.stdin();
  spec.out = request.stdout();
  spec.err = request.stderr();
  return spec;
}

Result<void> check_running(const engine::ContainerRecord& container) {
  if (container.state == engine::ContainerState::running) return {};
  return fail(Code::failed_precondition, "container_id: container '{}' is not running", container.id);
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeService::Exec(grpc::CallbackServerContext* context, const v1::ExecRequest* request,
                                               v1::ExecResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    TRY_ASSIGN(const std::string id, container_id(request->container_id()));
    if (request->cmd().empty()) return fail(Code::invalid_argument, "cmd: empty");
    TRY_ASSIGN(engine::StreamSpec spec, channels_of(*request));
    spec.command = to_vector(request->cmd());
    TRY_ASSIGN(const engine::ContainerRecord container, backend_.engine.find_container(id));
    TRY(check_running(container));
    TRY_ASSIGN(*response->mutable_url(), url_of(backend_.streams, {Kind::exec, id, std::move(spec)}));
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::Attach(grpc::CallbackServerContext* context, const v1::AttachRequest* request,
                                                 v1::AttachResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    TRY_ASSIGN(const std::string id, container_id(request->container_id()));
    TRY_ASSIGN(engine::StreamSpec spec, channels_of(*request));
    TRY_ASSIGN(const engine::ContainerRecord container, backend_.engine.find_container(id));
    TRY(check_running(container));
    if (spec.tty != container.spec.tty)
      return fail(Code::invalid_argument, "tty: {}, but container '{}' was made with tty {}", spec.tty, id, container.spec.tty);
    TRY_ASSIGN(*response->mutable_url(), url_of(backend_.streams, {Kind::attach, id, std::move(spec)}));
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::PortForward(grpc::CallbackServerContext* context, const v1::PortForwardRequest* request,
                                                      v1::PortForwardResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    TRY_ASSIGN(const std::string id, pod_id(request->pod_sandbox_id()));
    for (const std::int32_t port : request->port())
      if (port < 1 || port > UINT16_MAX) return fail(Code::invalid_argument, "port: {} is none", port);
    TRY_ASSIGN(const engine::PodRecord pod, backend_.engine.find_pod(id));
    if (pod.state != engine::PodState::ready) return fail(Code::failed_precondition, "pod_sandbox_id: pod '{}' is not ready", id);
    TRY_ASSIGN(*response->mutable_url(), url_of(backend_.streams, {Kind::port_forward, id, {}}));
    return {};
  });
}

}  // namespace slipway::cri
