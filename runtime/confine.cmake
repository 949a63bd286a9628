# What confines a process without starting one: seccomp filters and capability masks. A library of its own, tested on its own.
slipway_room(runtime_confine
  SOURCES capabilities.cc seccomp.cc seccomp_calls.cc seccomp_load.cc seccomp_tree.cc
  DEPS slipway::oci slipway::sys)
