// The search among pods and containers.
#include "cli/targets.h"

#include <algorithm>

#include "cli/output.h"

namespace slipway::cli {
namespace {

using Matches = std::vector<const Target*>;

// Of several: the live ones; then the pod before its own containers.
Matches narrowed(Matches matches) {
  const auto live = [](const Target* t) { return t->live; };
  if (matches.size() > 1 && std::any_of(matches.begin(), matches.end(), live))
    std::erase_if(matches, [&](const Target* t) { return !live(t); });
  const Matches pods = [&] {
    Matches out;
    std::copy_if(matches.begin(), matches.end(), std::back_inserter(out), [](const Target* t) { return t->kind == Kind::pod; });
    return out;
  }();
  std::erase_if(matches, [&](const Target* t) {
    return t->kind == Kind::container && std::any_of(pods.begin(), pods.end(), [&](const Target* pod) { return pod->id == t->pod_id; });
  });
  return matches;
}

Error ambiguous(const Matches& matches, const std::string& asked) {
  std::string text;
  for (const Target* t : matches)
    text += fmt::format("{}{} {} '{}'", text.empty() ? "" : ", ", t->kind == Kind::pod ? "pod" : "container", short_id(t->id), t->name);
  return fail(Code::invalid_argument, "'{}' may be any of: {}", asked, text);
}

Result<Target> find_among(const std::vector<Target>& all, const std::string& asked, const char* what) {
  if (asked.empty()) return fail(Code::invalid_argument, "the name of a {} is empty", what);
  Matches exact, beginning;
  for (const auto& target : all) {
    if (target.name == asked || target.id == asked) exact.push_back(&target);
    if (target.id.starts_with(asked)) beginning.push_back(&target);
  }
  const Matches found = narrowed(exact.empty() ? beginning : exact);
  if (found.empty()) return fail(Code::not_found, "there is no {} '{}'", what, asked);
  if (found.size() > 1) return ambiguous(found, asked);
  return *found[0];
}

}  // namespace

std::vector<Target> targets_of(const v1::ListPodSandboxResponse& pods, const v1::ListContainersResponse& containers) {
  std::vector<Target> out;
  for (const auto& pod : pods.items())
    out.push_back({Kind::pod, pod.id(), pod.metadata().name(), pod.id(), pod.state() == v1::SANDBOX_READY});
  for (const auto& container : containers.containers())
    out.push_back({Kind::container, container.id(), container.metadata().name(), container.pod_sandbox_id(),
                   container.state() == v1::CONTAINER_RUNNING});
  return out;
}

Result<Target> find_target(const std::vector<Target>& all, const std::string& asked) {
  return find_among(all, asked, "pod or container");
}

Result<Target> find_container(const std::vector<Target>& all, const std::string& asked) {
  std::vector<Target> containers;
  std::copy_if(all.begin(), all.end(), std::back_inserter(containers), [](const Target& t) { return t.kind == Kind::container; });
  auto direct = find_among(containers, asked, "container");
  if (direct.ok() || direct.error().code != Code::not_found) return direct;
  auto pod = find_among(all, asked, "pod or container");
  if (!pod.ok()) return pod;
  std::erase_if(containers, [&](const Target& t) { return t.pod_id != pod.value().id; });
  Matches inside;
  for (const auto& container : containers) inside.push_back(&container);
  inside = narrowed(inside);
  if (inside.empty()) return fail(Code::not_found, "pod '{}' has no container", asked);
  if (inside.size() > 1) return ambiguous(inside, asked);
  return *inside[0];
}

}  // namespace slipway::cli
