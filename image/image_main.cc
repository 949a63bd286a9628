// slipway-image: fetches, verifies and unpacks images with few privileges, then goes.
//
// slipwayd starts it as `slipway-image serve` with a request on stdin (worker_protocol.h); people and tests use pull and load.
#include <curl/curl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/fault.h"
#include "image/load.h"
#include "image/privileges.h"
#include "image/pull.h"
#include "image/signatures.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr const char* kUsage =
    "usage: slipway-image pull --root DIR [OPTION…] REFERENCE   fetch an image into the store at DIR\n"
    "       slipway-image load --root DIR [OPTION…] PATH        the same from an OCI layout or a docker archive\n"
    "       slipway-image serve                                 one request as JSON on stdin; for slipwayd\n"
    "\n"
    "  --insecure HOST[:PORT]  may speak plain HTTP or have a bad certificate; may be repeated\n"
    "  --ca-file FILE          trust these authorities beside the system's\n"
    "  --signature-policy FILE pull: what may be pulled, as containers-policy.json(5) says (everything)\n"
    "  --username NAME         for the registry; the password is read from stdin\n"
    "  --name REFERENCE        load: what to call the image\n"
    "  --parallel N            layers at a time (3)\n"
    "  --no-progress-seconds N give a silent connection up after N seconds (60)\n"
    "\n"
    "Progress and the result are JSON lines on stdout. Records are slipwayd's: an image pulled here has no name there.\n";

Result<std::string> read_stdin(std::size_t limit) {
  return sys::read_fd(FdRef(STDIN_FILENO), limit);
}

Result<void> set_option(Request& request, const std::string& name, const std::string& value) {
  if (name == "--root")
    request.root = value;
  else if (name == "--insecure")
    request.insecure_registries.push_back(value);
  else if (name == "--ca-file")
    request.ca_file = value;
  else if (name == "--signature-policy")
    request.signature_policy = value;
  else if (name == "--username")
    request.auth.username = value;
  else if (name == "--name")
    request.reference = value;
  else if (name == "--parallel")
    request.limits.parallel_layers = static_cast<std::uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
  else if (name == "--no-progress-seconds")
    request.limits.no_progress_seconds = static_cast<std::uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
  else
    return fail(Code::invalid_argument, "unknown option '{}'", name);
  return {};
}

Result<Request> request_of(const std::vector<std::string>& args) {
  if (args.size() == 1 && args[0] == "serve") {
    // slipwayd killed outright leaves nobody who wants the result; the thread that started us waits for us, so it lives as long.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return fail_errno(errno, "follow slipwayd's end");
    TRY_ASSIGN(const std::string text, read_stdin(kMaxRequest));
    return parse_request(text);
  }
  if (args.empty() || (args[0] != "pull" && args[0] != "load"))
    return fail(Code::invalid_argument, "say pull, load or serve; slipway-image --help tells more");
  Request request;
  request.operation = args[0];
  std::string operand;
  for (std::size_t i = 1; i < args.size(); ++i) {
    if (args[i].starts_with("--")) {
      if (i + 1 == args.size()) return fail(Code::invalid_argument, "option '{}' wants a value", args[i]);
      TRY(set_option(request, args[i], args[i + 1]));
      ++i;
    } else if (operand.empty()) {
      operand = args[i];
    } else {
      return fail(Code::invalid_argument, "one operand, not '{}' too", args[i]);
    }
  }
  if (operand.empty() || request.root.empty()) return fail(Code::invalid_argument, "--root and an operand are needed");
  (request.operation == "pull" ? request.reference : request.path) = operand;
  if (!request.auth.username.empty()) {
    TRY_ASSIGN(request.auth.password, read_stdin(64 << 10));
    while (!request.auth.password.empty() && request.auth.password.back() == '\n') request.auth.password.pop_back();
  }
  return request;
}

Result<Outcome> perform(const Request& request, Reporter& reporter) {
  const fault::Operation operation("ImageWorker");
  if (request.operation != "pull" && request.operation != "load") return fail(Code::unimplemented, "operation '{}'", request.operation);
  Demands demands;
  if (request.operation == "pull") {
    TRY_ASSIGN(demands, read_demands(request.signature_policy, request.reference));
  }
  // The root must be there before Landlock names it.
  TRY(make_root(request.root));
  Confinement wish{request.root, {}, fault::armed() ? fault::directory() : ""};
  if (!request.path.empty()) wish.readable.push_back(request.path);
  if (!request.ca_file.empty()) wish.readable.push_back(request.ca_file);
  TRY(confine(wish).context("confine slipway-image"));
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fail(Code::internal, "libcurl does not start");
  auto outcome = request.operation == "pull" ? pull(request, demands, reporter) : load(request, reporter);
  fault::moment("the image is there, nobody is told");
  return outcome;
}

int run(const std::vector<std::string>& args) {
  // A dozen threads share two heaps: with one each, what one freed the next could not use.
  (void)::mallopt(M_ARENA_MAX, 2);
  (void)::mallopt(M_MMAP_THRESHOLD, 64 << 10);
  if (args.size() == 1 && (args[0] == "--help" || args[0] == "-h")) return std::fputs(kUsage, stdout) < 0 ? 1 : 0;
  if (const char* faults = ::getenv("SLIPWAY_FAULTS"); faults != nullptr && *faults == '/') fault::arm(faults);  // of a slipwayd under test
  const auto request = request_of(args);
  Reporter reporter(STDOUT_FILENO);
  if (!request.ok()) {
    if (args.size() == 1 && args[0] == "serve")
      reporter.finish(request.error());
    else
      (void)std::fprintf(stderr, "slipway-image: %s\n", request.error().message.c_str());
    return 2;
  }
  const auto outcome = perform(request.value(), reporter);
  reporter.finish(outcome);
  return outcome.ok() ? 0 : 1;
}

}  // namespace
}  // namespace slipway::image

int main(int argc, char** argv) {
  return slipway::image::run(std::vector<std::string>(argv + 1, argv + argc));
}
