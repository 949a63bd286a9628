// Who a container's process is: numbers stay numbers, names come from the image's passwd and group only.
#include "engine/spec/user.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "base/weaken.h"

namespace slipway::engine {
namespace {

constexpr std::uint64_t kMaxId = 0x7fffffff;  // Kubernetes' own end; above it ids wrap or become -1 somewhere

bool is_number(std::string_view text) {
  // A sign makes it a number too: "-1" is a wrong number, never a name.
  if (weakened(Defence::user_numbers)) return false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<std::uint32_t> to_id(std::string_view what, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (weakened(Defence::user_range)) return static_cast<std::uint32_t>(value);
  if (error != std::errc{} || end != text.data() + text.size() || value > kMaxId)
    return fail(Code::invalid_argument, "{} '{}' is not a number from 0 to {}", what, text, kMaxId);
  return static_cast<std::uint32_t>(value);
}

Result<std::uint32_t> to_id(std::string_view what, std::int64_t value) {
  if (value < 0 || static_cast<std::uint64_t>(value) > kMaxId)
    return fail(Code::invalid_argument, "{} {} is not a number from 0 to {}", what, value, kMaxId);
  return static_cast<std::uint32_t>(value);
}

struct PasswdEntry {
  std::string_view name, home;
  std::uint32_t uid = 0, gid = 0;
};

// Lines that are no entries are passed over, as the C library does.
template <class Match>
std::optional<PasswdEntry> find_passwd(std::string_view text, Match match) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    PasswdEntry entry;
    entry.name = cut(line, ':');
    (void)cut(line, ':');
    const auto uid = to_id("uid", cut(line, ':'));
    const auto gid = to_id("gid", cut(line, ':'));
    (void)cut(line, ':');
    entry.home = cut(line, ':');
    if (entry.name.empty() || !uid.ok() || !gid.ok()) continue;
    entry.uid = uid.value();
    entry.gid = gid.value();
    if (match(entry)) return entry;
  }
  return std::nullopt;
}

struct GroupEntry {
  std::string_view name, members;
  std::uint32_t gid = 0;
};

template <class Visit>
void each_group(std::string_view text, Visit visit) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    GroupEntry entry;
    entry.name = cut(line, ':');
    (void)cut(line, ':');
    const auto gid = to_id("gid", cut(line, ':'));
    entry.members = cut(line, ':');
    if (entry.name.empty() || !gid.ok()) continue;
    entry.gid = gid.value();
    visit(entry);
  }
}

Result<std::uint32_t> resolve_group(std::string_view name, std::string_view group) {
  if (is_number(name)) return to_id("group", name);
  std::optional<std::uint32_t> found;
  each_group(group, [&](const GroupEntry& entry) {
    if (!found && entry.name == name) found = entry.gid;
  });
  if (!found) return fail(Code::invalid_argument, "the image has no group '{}'", name);
  return *found;
}

bool has_member(std::string_view members, std::string_view user) {
  while (!members.empty())
    if (cut(members, ',') == user) return true;
  return false;
}

struct Identity {
  std::uint32_t uid = 0;
  std::optional<std::uint32_t> gid;
  std::optional<PasswdEntry> entry;
};

Result<Identity> by_name_or_number(std::string_view text, std::string_view passwd) {
  Identity who;
  if (is_number(text)) {
    TRY_ASSIGN(who.uid, to_id("user", text));
    who.entry = find_passwd(passwd, [&](const PasswdEntry& e) { return e.uid == who.uid; });
    return who;
  }
  who.entry = find_passwd(passwd, [&](const PasswdEntry& e) { return e.name == text; });
  if (!who.entry) return fail(Code::invalid_argument, "the image has no user '{}'", text);
  who.uid = who.entry->uid;
  return who;
}

Result<Identity> identify(const SecurityContext& security, const std::string& image_user, std::string_view passwd, std::string_view group) {
  if (security.run_as_user) {
    Identity who;
    TRY_ASSIGN(who.uid, to_id("run_as_user", *security.run_as_user));
    who.entry = find_passwd(passwd, [&](const PasswdEntry& e) { return e.uid == who.uid; });
    return who;
  }
  if (!security.run_as_username.empty()) return by_name_or_number(security.run_as_username, passwd).context("run_as_username");
  std::string_view rest = image_user;
  const bool with_group = rest.find(':') != std::string_view::npos;
  const std::string_view user = cut(rest, ':');
  TRY_ASSIGN(Identity who,
             by_name_or_number(user.empty() ? "0" : user, passwd).context("the user '{}' of the image's configuration", image_user));
  if (with_group && !rest.empty()) {
    TRY_ASSIGN(who.gid, resolve_group(rest, group));
  }
  return who;
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

}  // namespace

Result<ResolvedUser> resolve_user(const SecurityContext& security, const std::string& image_user, std::string_view passwd,
                                  std::string_view group) {
  if (security.run_as_group && !security.run_as_user && security.run_as_username.empty())
    return fail(Code::invalid_argument, "run_as_group needs run_as_user or run_as_username");
  TRY_ASSIGN(const Identity who, identify(security, image_user, passwd, group));

  ResolvedUser user;
  user.uid = who.uid;
  if (security.run_as_group) {
    TRY_ASSIGN(user.gid, to_id("run_as_group", *security.run_as_group));
  } else if (who.gid) {
    user.gid = *who.gid;
  } else if (who.entry) {
    user.gid = who.entry->gid;
  }
  if (who.entry && printable(who.entry->home)) user.home = std::string(who.entry->home);

  const auto add = [&](std::uint32_t gid) {
    auto& all = user.additional_gids;
    if (std::find(all.begin(), all.end(), gid) == all.end()) all.push_back(gid);
  };
  add(user.gid);
  if (security.supplemental_groups_policy == SupplementalGroupsPolicy::merge && who.entry) {
    each_group(group, [&](const GroupEntry& entry) {
      if (has_member(entry.members, who.entry->name)) add(entry.gid);
    });
  }
  for (const std::int64_t gid : security.supplemental_groups) {
    TRY_ASSIGN(const std::uint32_t id, to_id("supplemental group", gid));
    add(id);
  }
  return user;
}

}  // namespace slipway::engine
