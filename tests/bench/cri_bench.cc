// The CRI bench: the calls of a pod's life against several servers in turn, then what pods cost them in memory.
//
// cri_bench --image REF [--rounds N] [--crowd N]… [--node N] [--pods N] [--probes N] [--cpu NAME=CGROUP[,CGROUP]]… [--logs DIR]
// NAME=unix:///SOCKET… prints JSON: times in ms by server and call; those of N pods at once; what pods cost in memory; the processor time
// of exec probes in N containers, and of questions to a server with N pods of two containers, told by the cgroups of the server and of all
// that it starts.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/bench/cri_client.h"
#include "tests/bench/processes.h"

namespace {

using bench::Client;
using bench::Samples;
using Json = nlohmann::json;

struct Options {
  std::string image, logs = "/tmp";
  int rounds = 30, pods = 10, probes = 0, node = 0;
  std::vector<int> crowds;
  std::map<std::string, std::vector<std::string>> cpu;  // cgroups by server
  std::vector<std::pair<std::string, std::string>> servers;
};

Options parse(int argc, char** argv) {
  Options out;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto next = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    if (word == "--image") {
      out.image = next();
    } else if (word == "--rounds") {
      out.rounds = std::atoi(next().c_str());
    } else if (word == "--crowd") {
      out.crowds.push_back(std::atoi(next().c_str()));
    } else if (word == "--node") {
      out.node = std::atoi(next().c_str());
    } else if (word == "--pods") {
      out.pods = std::atoi(next().c_str());
    } else if (word == "--probes") {
      out.probes = std::atoi(next().c_str());
    } else if (word == "--cpu") {
      const std::string value = next();
      std::istringstream list(value.substr(value.find('=') + 1));
      for (std::string one; std::getline(list, one, ',');) out.cpu[value.substr(0, value.find('='))].push_back(one);
    } else if (word == "--logs") {
      out.logs = next();
    } else if (const auto equals = word.find('='); equals != std::string::npos && word[0] != '-') {
      out.servers.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    } else {
      std::fprintf(stderr, "cri_bench: unknown argument %s\n", word.c_str());
      std::exit(2);
    }
  }
  if (out.image.empty() || out.servers.empty() || out.rounds < 1) {
    std::fprintf(stderr,
                 "usage: cri_bench --image REF [--rounds N] [--crowd N]... [--node N] [--pods N] [--probes N] [--logs DIR] "
                 "NAME=unix:///SOCKET...\n");
    std::exit(2);
  }
  return out;
}

Json summary(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())))];
  };
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {{"median", median}, {"p10", at(0.1)}, {"p90", at(0.9)}, {"count", values.size()}};
}

Json to_json(const bench::Cost& cost, double share = 1) {
  return {{"processes", cost.processes / share},
          {"threads", cost.threads / share},
          {"pss_kib", cost.pss_kib / share},
          {"private_kib", cost.private_kib / share}};
}

// The kernel hands back the memory of what has just ended a little later; readings begin when it has come to rest, without
// what it caches of files.
double settled_memory() {
  std::ofstream("/proc/sys/vm/drop_caches") << "3\n";
  double before = bench::available_memory_kib();
  for (int i = 0; i < 40; ++i) {
    // lint: allow sleep, because the bench reads a machine, it does not wait for an event
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    const double now = bench::available_memory_kib();
    if (now - before < 512 && before - now < 512) return now;
    before = now;
  }
  return before;
}

// Pods without containers: what is new among the processes is theirs.
Json memory_of(Client& client, int pods) {
  const std::set<pid_t> daemon = {client.daemon()};
  Json out = {{"pods", pods}, {"daemon_without_pods", to_json(bench::cost_of(daemon))}};
  const double memory_before = settled_memory();
  const std::set<pid_t> before = bench::all_processes();
  std::vector<std::string> made;
  made.reserve(static_cast<std::size_t>(pods));
  for (int i = 0; i < pods; ++i) made.push_back(client.make_pod(1'000'000 + i));
  const double memory_after = settled_memory();
  std::set<pid_t> fresh;
  for (const pid_t pid : bench::all_processes())
    if (before.count(pid) == 0) fresh.insert(pid);
  out["daemon_with_pods"] = to_json(bench::cost_of(daemon));
  out["per_pod"] = to_json(bench::cost_of(fresh), pods);
  out["per_pod"]["available_memory_kib"] = (memory_before - memory_after) / pods;
  for (const std::string& id : made) client.drop_pod(id);
  return out;
}

// Of whole subtrees, in milliseconds.
double cpu_of(const std::vector<std::string>& cgroups) {
  double sum = 0;
  for (const std::string& cgroup : cgroups) {
    std::ifstream file("/sys/fs/cgroup" + cgroup + "/cpu.stat");
    std::string key;
    double usec = 0;
    if (file >> key >> usec && key == "usage_usec") sum += usec / 1000;
  }
  return sum;
}

// As a node's exec probes: the same command in every container, again and again.
Json probes_of(Client& client, const Options& options) {
  constexpr int kPerPod = 10, kHands = 4, kRounds = 3;
  std::vector<std::string> pods, containers;
  for (int i = 0; i < options.probes; ++i) {
    const int pod = 2'000'000 + i / kPerPod;
    if (i % kPerPod == 0) pods.push_back(client.make_pod(pod));
    containers.push_back(client.make_container(pods.back(), pod, i));
  }
  client.probe(containers, kHands);  // warm
  const std::vector<std::string>& cgroups = options.cpu.at(client.name());
  const double before = cpu_of(cgroups);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) client.probe(containers, kHands);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const double probes = kRounds * static_cast<double>(containers.size());
  const Json out = {
      {"containers", containers.size()}, {"cpu_ms", (cpu_of(cgroups) - before) / probes}, {"per_second", probes / took.count()}};
  for (const std::string& id : pods) client.drop_pod(id);
  return out;
}

// What a full node's kubelet asks, in milliseconds: as the client sees it, and the server's own processor time.
Json node_of(Client& client, const Options& options) {
  constexpr int kPerPod = 2, kHands = 6, kRounds = 100;
  const auto pods = client.fill(4'000'000, options.node, kPerPod, kHands);
  const std::vector<std::string> daemon = {options.cpu.at(client.name()).front()};
  Json out = {{"pods", options.node}, {"containers", options.node * kPerPod}};
  Samples samples;
  for (const auto& [name, ask] : client.questions(pods.front(), samples)) {
    ask();
    const double before = cpu_of(daemon);
    for (int i = 0; i < kRounds; ++i) ask();
    out["calls"][name] = summary(samples[name]);
    out["calls"][name]["cpu_ms"] = (cpu_of(daemon) - before) / kRounds;
  }
  client.drop(pods, kHands);
  return out;
}

// Server by server in turn, as the single pods; the larger a crowd, the fewer the rounds.
void race_crowds(std::deque<Client>& clients, const Options& options, std::map<std::string, Samples>& samples) {
  int number = 3'000'000;
  for (const int count : options.crowds) {
    const int rounds = std::max(2, options.rounds / count);
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < clients.size(); ++i) {
        Client& client = clients[(i + static_cast<std::size_t>(round)) % clients.size()];
        client.crowd(number, count, samples[client.name()]);
      }
      number += count;
    }
    std::fprintf(stderr, "%d pods at once: %d rounds\n", count, rounds);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::deque<Client> clients;
  for (const auto& [name, address] : options.servers) clients.emplace_back(name, address, options.image, options.logs);
  std::map<std::string, Samples> samples;
  Json out = {{"rounds", options.rounds}, {"image", options.image}};
  for (Client& client : clients) {
    out["idle"][client.name()] = to_json(bench::cost_of({client.daemon()}));  // nothing was asked of it yet
    Samples warm_up;
    client.pull(warm_up);
    client.round(-1, warm_up);
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      Client& client = clients[(i + static_cast<std::size_t>(round)) % clients.size()];
      client.pull(samples[client.name()]);
      client.round(round, samples[client.name()]);
    }
    std::fprintf(stderr, "\rround %d of %d", round + 1, options.rounds);
  }
  std::fprintf(stderr, "\n");
  race_crowds(clients, options, samples);
  for (Client& client : clients) {
    for (const auto& [call, values] : samples[client.name()]) out["calls"][client.name()][call] = summary(values);
    if (options.probes > 0) out["probes"][client.name()] = probes_of(client, options);
    if (options.node > 0) out["node"][client.name()] = node_of(client, options);
    if (options.pods > 0) out["memory"][client.name()] = memory_of(client, options.pods);
    out["failures"][client.name()] = client.failures();
  }
  std::cout << out.dump(1) << "\n";
  return 0;
}
