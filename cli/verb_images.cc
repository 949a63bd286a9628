// pull, load, images, rmi.
#include <climits>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/progress.h"
#include "cli/verbs.h"

namespace slipway::cli {
namespace {

Result<void> print_done(const Session& session, const ProgressView& view) {
  nlohmann::json json = nlohmann::json::array();
  for (const auto& image : view.done()) {
    if (session.style.json) {
      const std::vector<std::string> references(image.references().begin(), image.references().end());
      json.push_back({{"id", image.image_id()}, {"references", references}});
    } else {
      std::string names;
      for (const auto& reference : image.references()) names += (names.empty() ? "" : " ") + printable(reference);
      TRY(print(fmt::format("{}{}{}\n", image.image_id(), names.empty() ? "" : "  ", names)));
    }
  }
  if (session.style.json) TRY(print(to_text(json)));
  return {};
}

// "host:5000/web:1" → {"host:5000/web", "1"}
std::pair<std::string, std::string> split_tag(const std::string& reference) {
  const auto colon = reference.rfind(':');
  if (colon == std::string::npos || reference.find('/', colon) != std::string::npos) return {reference, ""};
  return {reference.substr(0, colon), reference.substr(colon + 1)};
}

// CRI would take the image away beneath its containers: they go on, but no more can be made of it, and nobody is told.
Result<void> check_unused(const v1::ListContainersResponse& containers, const std::string& id, const std::string& name) {
  for (const auto& container : containers.containers())
    if (container.image_id() == id)
      return fail(Code::failed_precondition, "image '{}' is in use by container '{}' ({}): remove that first, or use --force", name,
                  container.metadata().name(), short_id(container.id()));
  return {};
}

}  // namespace

Result<int> pull(Session& session, const PullOptions& options) {
  admin::PullRequest request;
  request.set_image(options.image);
  if (!options.user.empty()) {
    const auto colon = options.user.find(':');
    if (colon == std::string::npos)
      return report(fail(Code::invalid_argument, "--user: what was given is not of the form NAME:PASSWORD"), kExitUsage);
    request.set_username(options.user.substr(0, colon));
    request.set_password(options.user.substr(colon + 1));
  }
  ProgressView view(session.style);
  TRY(session.client.pull(request, [&](const admin::Progress& progress) { view.update(progress); }));
  TRY(print_done(session, view));
  return 0;
}

Result<int> load(Session& session, const std::string& path, const std::string& name) {
  char absolute[PATH_MAX];
  // slipwayd opens it: it must not depend on where slipctl was started.
  if (::realpath(path.c_str(), absolute) == nullptr) return fail_errno(errno, "load '{}'", path);
  admin::LoadRequest request;
  request.set_path(absolute);
  request.set_name(name);
  ProgressView view(session.style);
  TRY(session.client.load(request, [&](const admin::Progress& progress) { view.update(progress); }));
  TRY(print_done(session, view));
  return 0;
}

Result<int> images(Session& session) {
  TRY_ASSIGN(const auto list, session.client.images());
  if (session.style.json) {
    TRY(print(to_json(list)));
    return 0;
  }
  std::vector<std::vector<Cell>> rows;
  for (const auto& image : list.images()) {
    const auto add = [&](const std::string& name, const std::string& tag) {
      rows.push_back({{name}, {tag}, {short_id(image.id()), Colour::grey}, {human_size(image.size())}, {image.pinned() ? "pinned" : ""}});
    };
    for (const auto& reference : image.repo_tags()) add(split_tag(reference).first, split_tag(reference).second);
    if (!image.repo_tags().empty()) continue;
    const std::string digest = image.repo_digests().empty() ? "<none>" : image.repo_digests(0);
    add(digest.substr(0, digest.find('@')), "<none>");
  }
  TRY(print(format_table({"IMAGE", "TAG", "ID", "SIZE", ""}, rows, session.style.colour)));
  return 0;
}

Result<int> rmi(Session& session, const std::vector<std::string>& names, bool force) {
  return for_each_name(session, names, [&](const std::string& name) -> Result<void> {
    TRY_ASSIGN(const auto status, session.client.image_status(name));
    if (!status.has_image()) return fail(Code::not_found, "there is no image '{}' (an id's beginning needs 12 digits)", name);
    if (!force) {
      TRY_ASSIGN(const auto containers, session.client.containers());
      TRY(check_unused(containers, status.image().id(), name));
    }
    return session.client.remove_image(status.image().id());
  });
}

Result<std::string> ensure_image(Session& session, const std::string& reference, const std::string& policy) {
  if (policy != "always") {
    TRY_ASSIGN(const auto status, session.client.image_status(reference));
    if (status.has_image()) return status.image().id();
    if (policy == "never") return fail(Code::not_found, "there is no image '{}' here, and --pull is 'never'", reference);
  }
  admin::PullRequest request;
  request.set_image(reference);
  ProgressView view(session.style);
  TRY(session.client.pull(request, [&](const admin::Progress& progress) { view.update(progress); }));
  if (view.done().empty()) return fail(Code::internal, "slipwayd pulled '{}' but named no image", reference);
  return view.done()[0].image_id();
}

}  // namespace slipway::cli
