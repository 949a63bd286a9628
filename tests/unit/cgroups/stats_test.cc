// The kernel's files, as 6.1 and 6.18 print them.
#include "cgroups/stats.h"

#include <catch2/catch.hpp>

using namespace slipway::cgroups;

TEST_CASE("cpu.stat, with and without the controller", "[cgroups][stats]") {
  const auto bare = parse_cpu_stat("usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n");
  REQUIRE(bare.ok());
  CHECK((bare.value().usage_usec == 1234567 && bare.value().user_usec == 1000000 && bare.value().system_usec == 234567));
  CHECK(bare.value().nr_periods == 0);
  const auto full = parse_cpu_stat(
      "usage_usec 9\nuser_usec 4\nsystem_usec 5\nnice_usec 0\ncore_sched.force_idle_usec 0\nnr_periods 30\nnr_throttled 20\nthrottled_usec "
      "1000\nnr_bursts 0\nburst_usec 0\n");
  REQUIRE(full.ok());
  CHECK((full.value().nr_periods == 30 && full.value().nr_throttled == 20 && full.value().throttled_usec == 1000));
  CHECK_FALSE(parse_cpu_stat("usage_usec x\n").ok());
}

TEST_CASE("memory.stat", "[cgroups][stats]") {
  const auto s = parse_memory_stat(
      "anon 409600\nfile 8192000\nkernel 1261568\nkernel_stack 65536\npagetables 139264\nsec_pagetables 0\npercpu 1440\nsock 4096\nvmalloc "
      "0\n"
      "shmem 12288\nzswap 0\nzswapped 0\nfile_mapped 4096000\nfile_dirty 0\nfile_writeback 0\nswapcached 0\nanon_thp 0\nfile_thp "
      "0\nshmem_thp 0\n"
      "inactive_anon 397312\nactive_anon 12288\ninactive_file 5000000\nactive_file 3192000\nunevictable 0\nslab_reclaimable 700000\n"
      "slab_unreclaimable 300000\nslab 1000000\nworkingset_refault_anon 0\npgscan 0\npgsteal 0\npgfault 12345\npgmajfault 67\n");
  REQUIRE(s.ok());
  const MemoryStat& m = s.value();
  CHECK((m.anon == 409600 && m.file == 8192000 && m.kernel == 1261568 && m.kernel_stack == 65536 && m.sock == 4096 && m.shmem == 12288));
  CHECK((m.file_mapped == 4096000 && m.slab == 1000000 && m.active_file == 3192000 && m.inactive_file == 5000000));
  CHECK((m.pgfault == 12345 && m.pgmajfault == 67));
  Memory memory;
  memory.current = 9000000;
  memory.stat = m;
  CHECK(memory.working_set() == 4000000);
  memory.current = 100;
  CHECK(memory.working_set() == 0);
}

TEST_CASE("memory.events", "[cgroups][stats]") {
  const auto e = parse_memory_events("low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\nsock_throttled 0\n");
  REQUIRE(e.ok());
  CHECK((e.value().low == 1 && e.value().high == 2 && e.value().max == 3));
  CHECK((e.value().oom == 4 && e.value().oom_kill == 5 && e.value().oom_group_kill == 6));
}

TEST_CASE("io.stat, also where a device has no counters", "[cgroups][stats]") {
  const auto s = parse_io_stat(
      "254:0 rbytes=1048576 wbytes=4096 rios=10 wios=1 dbytes=0 dios=0\n"
      "253:0 253:16 rbytes=7 wbytes=8 rios=9 wios=10 dbytes=11 dios=12\n"
      "7:0 \n");
  REQUIRE(s.ok());
  REQUIRE(s.value().size() == 2);
  CHECK((s.value()[0].major == 254 && s.value()[0].minor == 0 && s.value()[0].rbytes == 1048576 && s.value()[0].wios == 1));
  CHECK((s.value()[1].major == 253 && s.value()[1].minor == 16 && s.value()[1].wbytes == 8 && s.value()[1].dios == 12));
  CHECK(parse_io_stat("").value().empty());
  CHECK_FALSE(parse_io_stat("x:0 rbytes=1\n").ok());
}

TEST_CASE("pressure", "[cgroups][stats]") {
  const auto p = parse_pressure("some avg10=0.12 avg60=3.04 avg300=100.00 total=123456\nfull avg10=0.00 avg60=1.00 avg300=2.50 total=99\n");
  REQUIRE(p.ok());
  CHECK(p.value().some.avg10 == Approx(0.12));
  CHECK(p.value().some.avg60 == Approx(3.04));
  CHECK(p.value().some.avg300 == Approx(100.0));
  CHECK(p.value().some.total_usec == 123456);
  REQUIRE(p.value().full);
  CHECK(p.value().full->total_usec == 99);
  const auto old = parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  REQUIRE(old.ok());
  CHECK_FALSE(old.value().full);
  CHECK_FALSE(parse_pressure("nothing\n").ok());
  CHECK_FALSE(parse_pressure("some avg10=abc\n").ok());
}

TEST_CASE("numbers and max", "[cgroups][stats]") {
  CHECK(parse_number_or_max("max\n").value() == kNoLimit);
  CHECK(parse_number_or_max("536870912\n").value() == 536870912);
  CHECK_FALSE(parse_number_or_max("\n").ok());
  CHECK_FALSE(parse_number_or_max("-1\n").ok());
}
