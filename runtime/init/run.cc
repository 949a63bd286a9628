// The order of init's steps, which is the security argument.
#include "runtime/init/run.h"

#include <sys/socket.h>
#include <unistd.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// Each step needs a privilege, a descriptor or a view of the host that a later one gives up.
constexpr StepFunction kSteps[] = {
    seal,                     // before anybody else can see this process
    close_inherited,          // first: a created container must not hold its maker's pipes and locks while it waits
    forget_environment,       // nor what its maker's environment says, which /proc/PID/environ tells
    enter_cgroup,             // before anything is charged to where the runner is
    unblock_signals,          //
    write_own_proc,           // what only the host's root may say of a process, before a user namespace takes that from it
    raise_limits,             //
    schedule_early,           //
    give_stdio,               //
    join_namespaces,          // as the host's root, whoever owns them; before anything is named, written or mounted in them
    enter_user_namespace,     //
    be_born_early,            // what is made from here on belongs to the user namespace
    join_keyring,             //
    own_cgroup_namespace,     //
    raise_loopback,           // needs CAP_NET_ADMIN
    set_names,                //
    write_proc,               // through the host's procfs, not through one that a mount of the container covers
    make_private,             //
    make_own_mounts,          // in their namespaces, and …
    drop_bounding,            // … what needs CAP_SETPCAP, while the runner makes its mounts
    receive_mounts,           //
    attach_root,              //
    await_confinement_early,  // with hooks, which use the same socket
    await_hooks_early,        // born late: what hooks look for is gone afterwards
    pivot_first,              // born late: who opens its proc file system must not have the host's tree
    attach_mounts,            // in the order of config.json
    open_terminal,            // needs the container's devpts; /dev/console is bound before masks and read-only
    await_hooks,              // while the host's tree is there and nothing is read-only yet
    finish_mounts,            // read-only only after every target was found or made
    mask_paths,               //
    readonly_paths,           //
    pivot,                    // the host's tree is gone from here on
    set_stdio,                //
    join_pid,                 // for the child of be_born_late
    close_used,               // before chdir: no /proc/self/fd/N leads out
    set_limits,               // needs CAP_SYS_RESOURCE
    schedule,                 // needs CAP_SYS_NICE
    enter_directory,          // as root, for directories that only root may search
    set_user,                 // needs CAP_SETUID, CAP_SETGID
    check_directory,          // as the user; and it must be inside the root
    forbid_new_privileges,    //
    shed_capabilities,        //
    await_confinement,        // as late as may be, and before a neighbour could take the packet
    be_born_late,             // other containers' processes see it from here on: nothing of the host's is left in it
    new_session,              //
    control_terminal,         //
    confine_with_privilege,   // without no_new_privs the filter needs CAP_SYS_ADMIN, so it comes before …
    set_capabilities,         // … the last privilege goes
    find_program,             // as the user, so that create fails and not start
    confine_listened,         // while the runner is there to hand the listener over
    say_ready,                //
    wait_start,               //
    confine,                  // as late as possible
};

// An exec failure after its starter's socket closed (`slipway create` is gone) goes back through the FIFO. A filter that was loaded without
// no_new_privs may forbid send(2) but not well write(2), which could end us by SIGPIPE: so it comes second.
void report(const InitPlan& plan, const Failure& failure) noexcept {
  const Message message{Kind::failed, failure.step, failure.index, failure.error};
  if (::send(plan.sync_fd, &message, sizeof message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof message)) return;
  if (errno != EPIPE && ::write(plan.sync_fd, &message, sizeof message) == static_cast<ssize_t>(sizeof message)) return;
  if (plan.start_fd >= 0) (void)!::write(plan.start_fd, &message, sizeof message);
}

}  // namespace

void run(InitPlan& plan) noexcept {
  Progress progress;
  progress.root = &plan.root;
  Failure failure;
  for (const StepFunction step : kSteps) {
    failure = step(plan, progress);
    if (failure.step != Step::none) break;
  }
  if (failure.step == Step::none && progress.program == nullptr) failure = {Step::no_process, 0, EINVAL};
  if (failure.step == Step::none) {
    ::execve(progress.program, const_cast<char* const*>(plan.argv), const_cast<char* const*>(plan.envp));
    failure = failed(Step::exec);
  }
  report(plan, failure);
  ::_exit(127);
}

}  // namespace slipway::runtime::init
