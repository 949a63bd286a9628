// Switches for tests of published attacks: each names one defence that a weakened build can turn off, to see the attack succeed without it.
//
// In every ordinary build `weakened` is the constant false and no name is in the program (ctest attack.no-switches reads them all). The
// weakened programs (CMake option SLIPWAY_TEST_WEAKEN, folder BUILD/weakened/bin, never installed) read the comma-separated names in the
// environment's SLIPWAY_WEAKEN. Standard types only: runtime/init includes it too. docs/attacks.md says which attack needs which.
#pragma once

namespace slipway {

#define SLIPWAY_DEFENCES(X)                                                         \
  X(in_root)             /* init: container paths by RESOLVE_IN_ROOT */             \
  X(real_proc)           /* runtime: no link on the way to /proc and /sys */        \
  X(proc_mounts)         /* runtime: only procfs over or in /proc */                \
  X(proc_beneath)        /* init: writes to the true procfs only */                 \
  X(null_device)         /* runtime: /dev/null is character device 1:3 */           \
  X(dev_directory)       /* runtime: devices into a true directory only */          \
  X(console_target)      /* init: no link on the way to /dev/console */             \
  X(close_descriptors)   /* init: nothing inherited stays open */                   \
  X(cwd_in_root)         /* init: the working directory is in the root */           \
  X(new_session)         /* init: away from the caller's terminal */                \
  X(groups)              /* init: exactly the given groups */                       \
  X(seccomp)             /* init: the filter is loaded */                           \
  X(undumpable)          /* runtime: no looking into a half-made process */         \
  X(sealed_program)      /* runtime, engine: programs run from a read-only mount */ \
  X(exec_numbers)        /* command: an id is a number in range */                  \
  X(hook_environment)    /* runtime: a hook's environment is config.json's */       \
  X(no_inheritable)      /* command, engine: no inheritable capabilities */         \
  X(capability_drop)     /* engine: what is dropped is gone */                      \
  X(user_numbers)        /* engine: a number is never a name of passwd */           \
  X(user_range)          /* engine: ids do not wrap */                              \
  X(sysctl_owner)        /* engine: only sysctls of the pod's namespaces */         \
  X(sysctl_value)        /* engine: one value is one value */                       \
  X(annotations)         /* engine: a pod's annotations go no further */            \
  X(control_characters)  /* engine: a value is one line of a file */                \
  X(exec_output)         /* engine: ExecSync keeps 16 MiB */                        \
  X(exec_ends)           /* engine: an exec ends with its client */                 \
  X(exec_parts)          /* monitor: an exec ends with all that it started */       \
  X(reader_gone)         /* monitor: who attached and left is forgotten */          \
  X(bounded_reads)       /* sys, image, oci: what is read has a bound */            \
  X(path_sockets)        /* sys: sockets have a path and a mode */                  \
  X(private_directories) /* sys, engine: directories are 0700 */                    \
  X(climbing)            /* image: no entry, link or volume with ".." */            \
  X(layer_root)          /* image: links lead inside the layer */                   \
  X(document_shape)      /* oci: a manifest is not an index */                      \
  X(own_credentials)     /* image: credentials go to their registry only */         \
  X(oom_protection)      /* monitor: not the OOM killer's first choice */

enum class Defence {
#define SLIPWAY_DEFENCE_VALUE(name) name,
  SLIPWAY_DEFENCES(SLIPWAY_DEFENCE_VALUE)
#undef SLIPWAY_DEFENCE_VALUE
};

// Two inline namespaces: objects of both kinds may meet in one weakened program.
#ifdef SLIPWAY_WEAKENED
inline namespace weakened_build {
bool weakened(Defence defence) noexcept;
const char* weakening() noexcept;  // the environment's entry, for the programs that this one starts; nullptr: none
}  // namespace weakened_build
#else
inline namespace ordinary_build {
constexpr bool weakened(Defence) noexcept {
  return false;
}
constexpr const char* weakening() noexcept {
  return nullptr;
}
}  // namespace ordinary_build
#endif

}  // namespace slipway
