// slipwayd's configuration: one table of keys gives the parser, the commented default and what verbose Status shows.
//
// Plain values, read once at the start. Unknown keys, wrong types and values that cannot be are refused by name and line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/runtime_handlers.h"

namespace slipway::daemon {

inline constexpr const char* kDefaultConfigPath = "/etc/slipway/config.toml";

struct Config {
  std::string root = "/var/lib/slipway";
  std::string state = "/run/slipway";
  std::string listen;  // empty: slipway.sock in `state`; see listen_address
  std::string cgroup_driver = "cgroupfs";
  std::string default_runtime = engine::kOwnRuntime;
  std::vector<engine::RuntimeHandler> runtimes;  // as written
  std::string netns_directory = "/run/netns";
  std::string seccomp_profile_root = "/var/lib/kubelet/seccomp";

  std::string cni_conf_dir = "/etc/cni/net.d";
  std::vector<std::string> cni_bin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
  std::uint32_t cni_timeout = 90;  // seconds
  std::string cni_conf_template;   // empty: none

  std::string log_level = "info";
  std::string log_format = "text";

  std::string monitor_program;  // empty: beside slipwayd
  std::string image_program;
  std::string criu_program;  // empty: "criu" in PATH

  std::string containerd_socket;  // "unix:///PATH"; empty: none

  std::string streaming_listen = "127.0.0.1:0";
  std::uint32_t streaming_idle = 4 * 3600;  // seconds
  std::uint32_t streaming_creation = 30;
  std::string streaming_tls_certificate, streaming_tls_key;  // empty: plain HTTP
  std::string streaming_tls_client_ca;                       // empty: clients show no certificate

  std::uint32_t read_workers = 2;
  std::uint32_t operation_workers = 16;
  std::uint32_t wait_workers = 128;
  std::uint32_t queue = 1024;

  std::vector<std::string> pod_annotations = {"ulimits", "umask", "unified-cgroup", "devices", "shm-size"};
  std::vector<std::string> pod_devices = {"/dev/fuse", "/dev/net/tun"};
  std::vector<std::string> cdi_directories = {"/etc/cdi", "/var/run/cdi"};

  std::vector<std::string> insecure_registries;  // host[:port]
  std::string registry_ca_file;                  // empty: the system's authorities alone
  std::string signature_policy;                  // empty: everything may be pulled
};

// `name` is what messages call the text: the file's path.
Result<Config> parse_config(std::string_view text, std::string_view name);
// An absent file is not_found.
Result<Config> read_config(const std::string& path);
// What a flag or a file may have set to something that cannot be.
Result<void> check(const Config& config);

// A file that means what an absent one means, with a comment on every key.
std::string default_config_text();
std::string to_json(const Config& config);

// "127.0.0.1:0" or "[::1]:10010"
struct StreamingAddress {
  std::string address;
  std::uint16_t port = 0;
};
Result<StreamingAddress> streaming_address(const Config& config);

// "unix:///run/slipway/slipway.sock"
std::string listen_address(const Config& config);

}  // namespace slipway::daemon
