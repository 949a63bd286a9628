// A temporary host for network tests: a configuration directory, a plugin directory, plugins that are shell scripts.
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <catch2/catch.hpp>

#include <string>

#include "engine/ports.h"
#include "network/cni.h"
#include "network/json.h"
#include "sys/file.h"

namespace slipway::network::test {

class Host {
 public:
  Host() {
    char name[] = "/tmp/slipway-network-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    root = name;
    for (const char* directory : {"/conf", "/bin", "/log", "/intents"}) REQUIRE(::mkdir((root + directory).c_str(), 0700) == 0);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() {
    Result<UniqueFd> tmp = sys::open_path("/tmp", O_RDONLY | O_DIRECTORY);
    if (tmp.ok()) (void)sys::remove_tree(tmp.value(), root.substr(5));
  }

  void write(const std::string& path, const std::string& text, mode_t mode = 0644) const {
    Result<UniqueFd> fd = sys::open_path(root + path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    REQUIRE(fd.ok());
    REQUIRE(sys::write_all(fd.value(), text).ok());
  }
  void config(const std::string& file, const std::string& text) const { write("/conf/" + file, text); }

  // Every call appends "COMMAND name" to log/calls, and writes its input and environment to log/name.COMMAND.{json,env}.
  void plugin(const std::string& name, const std::string& body) const {
    write("/bin/" + name,
          "#!/bin/sh\nL=" + root + "/log\nN=" + name +
              "\necho \"$CNI_COMMAND $N\" >> $L/calls\ncat > $L/$N.$CNI_COMMAND.json\nenv | sort > $L/$N.$CNI_COMMAND.env\n" + body + "\n",
          0755);
  }
  // Answers every ADD with this result and every DEL with success.
  void good_plugin(const std::string& name, const std::string& result) const {
    plugin(name, "[ $CNI_COMMAND = ADD ] && cat <<'EOF'\n" + result + "\nEOF\nexit 0");
  }

  std::string read(const std::string& path) const {
    Result<std::string> text = sys::read_file(root + path, 8 << 20);
    return text.ok() ? text.value() : "";
  }
  Json input(const std::string& plugin, const std::string& command) const {
    return Json::parse(read("/log/" + plugin + "." + command + ".json"), nullptr, false);
  }
  std::string calls() const { return read("/log/calls"); }

  std::unique_ptr<engine::Network> open(std::chrono::milliseconds timeout = std::chrono::seconds(20)) const {
    CniOptions options;
    options.conf_dir = root + "/conf";
    options.bin_dirs = {root + "/none", root + "/bin"};
    options.timeout = timeout;
    options.intent_dir = root + "/intents";
    Result<std::unique_ptr<engine::Network>> network = open_cni(options);
    REQUIRE(network.ok());
    return std::move(network).take();
  }

  std::string root;
};

inline engine::NetworkRequest request() {
  engine::NetworkRequest out;
  out.pod_id = std::string(64, 'a');
  out.netns = "/proc/self/ns/net";
  out.name = "web";
  out.namespace_ = "default";
  out.uid = "uid-1";
  return out;
}

inline constexpr const char* kOneAddress = R"({"cniVersion":"1.0.0","interfaces":[{"name":"br0"},{"name":"eth0","sandbox":"/x"}],
  "ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.1","interface":1}]})";

inline std::string list_of(const std::string& plugins, const std::string& version = "1.0.0") {
  return R"({"cniVersion":")" + version + R"(","name":"testnet","plugins":[)" + plugins + "]}";
}

}  // namespace slipway::network::test
