// What `slipway --help` and `slipway VERB --help` print.
#include "runtime/command/help.h"

#include "base/format.h"

namespace slipway::runtime::command {
namespace {

struct VerbHelp {
  std::string_view name, arguments, what, flags;
};

constexpr std::string_view kMakeFlags =
    "  -b, --bundle DIR           where config.json is (default: here)\n"
    "  -f, --config FILE          another name for it\n"
    "      --console-socket PATH  a unix socket that gets the terminal's descriptor (process.terminal)\n"
    "      --pidfd-socket PATH    a unix socket that gets the first process's descriptor\n"
    "      --pid-file FILE        write the first process's number there\n"
    "      --preserve-fds N       hand N descriptors from 3 on to the program; those of socket activation come before\n"
    "      --no-pivot             chroot instead of pivot_root, for a host whose root is an initramfs\n"
    "      --no-new-keyring       keep the session keyring of the caller\n";

constexpr std::string_view kCheckpointFlags =
    "      --image-path DIR       where to (default ./checkpoint), and --work-path DIR for criu's log dump.log\n"
    "      --leave-running        it goes on; without it the container is stopped, and deleted or restored later\n"
    "      --pre-dump             memory only, it goes on; --parent-path DIR (relative to --image-path): the dump before\n"
    "      --tcp-established      open TCP connections too; --tcp-skip-in-flight, --ext-unix-sk, --file-locks, --link-remap,\n"
    "      --shell-job            --auto-dedup: as criu has them\n"
    "      --manage-cgroups-mode soft|full|strict|ignore (default soft), --network-lock iptables|nftables|skip\n"
    "      --empty-ns network     leave the contents of its network out (as always where hooks make it)\n"
    "      --criu FILE            criu's program (default: criu in PATH)\n"
    "  --lazy-pages, --page-server and --status-fd are refused. criu's settings: /etc/criu/slipway.conf, else runc.conf there.\n";

constexpr std::string_view kRestoreFlags =
    "  -b, --bundle DIR           where config.json is (default: here)\n"
    "      --image-path DIR       where from (default ./checkpoint), and --work-path DIR for criu's log restore.log\n"
    "  -d, --detach               leave it running; without it stay, and exit with its code\n"
    "      --keep                 do not delete it at its end\n"
    "      --console-socket PATH  a unix socket that gets the terminal's descriptor (process.terminal)\n"
    "      --pid-file FILE        write the first process's number there\n"
    "      --lsm-profile TYPE:NAME, --lsm-mount-context CONTEXT  instead of those in the images\n"
    "      --no-new-keyring       keep the session keyring of the caller\n"
    "      --tcp-established      as checkpoint, and so are --tcp-close, --ext-unix-sk, --shell-job, --file-locks,\n"
    "                             --manage-cgroups-mode, --network-lock, --empty-ns, --auto-dedup, --link-remap, --criu\n"
    "      --no-pivot             without effect, and so is --no-subreaper\n"
    "  The images are believed as root is: they say who the processes are. A container of this name that a checkpoint stopped is "
    "replaced.\n";

constexpr VerbHelp kVerbs[] = {
    {"create", "[FLAG…] ID", "make a container from a bundle; its program waits for start", kMakeFlags},
    {"start", "ID", "let the program begin", ""},
    {"run", "[FLAG…] ID", "create and start; without --detach, stay until it ends and exit with its code",
     "  -d, --detach               leave it running\n"
     "      --keep                 do not delete it at its end\n"
     "      --no-subreaper         accepted, without effect\n"},
    {"state", "ID", "its state as JSON", ""},
    {"kill", "[FLAG…] ID [SIGNAL]", "a signal (name or number, default SIGTERM) to its first process",
     "  -a, --all                  to every process\n"
     "  -r, --regex                ID is a POSIX extended expression: to every container it matches\n"},
    {"delete", "[FLAG…] ID", "take away what is left of it",
     "  -f, --force                end it first; nothing there is no error\n"
     "  -r, --regex                ID is a POSIX extended expression: every container it matches\n"},
    {"exec", "[FLAG…] ID PROGRAM [ARG…]", "a further process in it; exits with its code, 255 when it could not begin",
     "  -p, --process FILE         the OCI process object, instead of PROGRAM\n"
     "      --cwd DIR              directory to start in\n"
     "  -e, --env NAME=VALUE       environment variable, may be repeated\n"
     "  -t, --tty                  with a terminal\n"
     "      --console-socket PATH  a unix socket that gets the terminal's descriptor, --pidfd-socket PATH the process's\n"
     "  -u, --user UID[:GID]       who runs it\n"
     "  -g, --additional-gids GID  a further group, may be repeated\n"
     "  -c, --cap CAP              a further capability, may be repeated\n"
     "      --apparmor PROFILE     and --process-label LABEL, of SELinux\n"
     "      --no-new-privs         set-uid programs gain nothing\n"
     "  -d, --detach               leave it running\n"
     "      --pid-file FILE        write its number there\n"
     "      --preserve-fds N       hand N descriptors from 3 on to it\n"
     "      --ignore-paused        also in a paused container\n"
     "      --cgroup PATH          in a cgroup that is there beneath the container's\n"},
    {"list", "[FLAG…]", "all containers", "  -f, --format table|json    how to print\n  -q, --quiet                ids only\n"},
    {"ps", "[FLAG…] ID [OPTION OF PS…]", "its processes, as the host's ps(1) shows them (default: ps -ef)",
     "  -f, --format table|json    how to print; json: the numbers only\n"},
    {"pause", "ID", "freeze it", ""},
    {"resume", "ID", "go on", ""},
    {"update", "[FLAG…] ID", "other limits for a container that lives; sizes as 64m, -1 = none",
     "  -r, --resources FILE       a linux.resources object, - = standard input; the flags go over it. Device rules in it take\n"
     "                             the place of all former ones\n"
     "  -m, --memory BYTES         and --memory-reservation, --memory-swap (memory and swap together)\n"
     "      --cpu-share N          and --cpu-quota, --cpu-period, --cpu-burst (microseconds), --cpu-idle 0|1\n"
     "      --cpuset-cpus LIST     and --cpuset-mems\n"
     "      --pids-limit N\n"
     "      --blkio-weight N       10 to 1000\n"
     "      --l3-cache-schema TEXT  and --mem-bw-schema, of the container's linux.intelRdt\n"},
    {"events", "[FLAG…] ID", "its statistics and out-of-memory kills, a JSON object a line, until it ends",
     "      --interval TIME        between statistics (default 5s)\n"
     "      --stats                once, then go\n"},
    {"checkpoint", "[FLAG…] ID", "dump it into a directory of images by criu (criu.org)", kCheckpointFlags},
    {"restore", "[FLAG…] ID", "a container from such a directory: it goes on where it was", kRestoreFlags},
    {"spec", "[FLAG…]", "write a config.json to begin with",
     "  -b, --bundle DIR           where to (default: here)\n"
     "  -f, --file FILE            another name\n"
     "      --rootless             for the user who calls\n"},
    {"features", "", "what this runtime can do, as JSON", ""},
};

}  // namespace

std::string help() {
  std::string out =
      "usage: slipway [FLAG…] VERB [FLAG…] [ARG…]\n"
      "Runs containers from OCI bundles with the command line of runc. `slipway VERB --help` tells a verb's flags.\n\n"
      "  --root DIR                 where containers are recorded (default /run/slipway-oci; in a user namespace or for an\n"
      "                             ordinary user $XDG_RUNTIME_DIR/slipway)\n"
      "  --log FILE                 errors go there too, warnings instead of to stderr; also syslog:NAME, journald:NAME\n"
      "  --log-format text|json     how, in a file\n"
      "  --systemd-cgroup           cgroups by systemd: linux.cgroupsPath is SLICE:PREFIX:NAME\n"
      "  --cgroup-manager cgroupfs|systemd|disabled  the same by crun's name; disabled: none is made, there are no\n"
      "                             limits and no device rules\n"
      "  --rootless true|false|auto  do without a cgroup that is not delegated where no limit is asked for (auto: in a\n"
      "                             user namespace); false: also no user namespace for an ordinary user\n"
      "  --debug                    say more; --log-level error|warning|info|debug\n"
      "  -v, --version              print the version\n\n";
  for (const VerbHelp& verb : kVerbs) out += fmt::format("  {:<10} {}\n", verb.name, verb.what);
  return out + "\nExit codes: 0 done, 1 failed or wrong usage (as runc); run and exec: see there.\n";
}

std::string help_of(std::string_view name) {
  for (const VerbHelp& verb : kVerbs) {
    if (verb.name != name) continue;
    std::string out = fmt::format("usage: slipway {}{}{}\n{}\n", verb.name, verb.arguments.empty() ? "" : " ", verb.arguments, verb.what);
    if (verb.name == "run") out += kMakeFlags;
    return out.append(verb.flags);
  }
  return {};
}

}  // namespace slipway::runtime::command
