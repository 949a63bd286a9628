"""Static pods from their start to their end, slipwayd killed in the middle of each."""
import os
import time

from kubelet import probes
from kubelet.cri import Failed, check, same, wait_for
from kubelet.node import Pod, read

TERMINATES = "trap 'echo bye; exit 7' TERM; "
FOREVER = "while :; do sleep 0.2; done"


def a_whole_pod(cri, image):
    """Init containers in their order, a sidecar, volumes, probes of each kind, the ends that the kubelet asks for."""
    pod = Pod(cri, "web", image)
    pod.run()
    # Two init containers, the second sees what the first left; slipwayd dies while the first is at work.
    pod.container("init-a", ["sh", "-c", "sleep 3; echo first >/data/order; echo done >/dev/termination-log"], volumes={"/data": "work"})
    cri.restart()
    end = pod.ended("init-a")
    same((end.get("exit_code", 0), end["reason"], pod.message("init-a")), (0, "Completed", "done\n"), "init-a")
    pod.container("init-b", ["sh", "-c", "grep first /data/order && echo second >>/data/order"], volumes={"/data": "work"})
    same(pod.ended("init-b").get("exit_code", 0), 0, "init-b")
    same(read(f"{pod.volume('work')}/order"), "first\nsecond\n", "the order of the init containers")

    # A restartable init container: it has started when its probe says so, then the pod's own follow.
    pod.container("sidecar", ["sh", "-c", TERMINATES + "sleep 1; touch /data/ready; " + FOREVER], volumes={"/data": "work"})
    wait_for(30, "start of the sidecar", lambda: pod.exec("sidecar", ["test", "-e", "/data/ready"])[0] == 0)
    pod.container("main", ["sh", "-c", "trap 'echo going; sleep 2; exit 7' TERM; mkdir /www; echo fine >/www/healthz; httpd -p 8080 -h /www; "
                           "nc -ll -p 9090 -e cat & " + probes.grpc_server(5000).replace("exec ", "") + " & " + FOREVER])
    check(pod.running("main") and pod.running("sidecar"), "both run")
    probe_all(cri, pod)
    cri.restart()
    probe_all(cri, pod)
    same(pod.exec("main", ["sh", "-c", "cat /etc/hosts; hostname"])[1], f"127.0.0.1 localhost\n{pod.ip} web\nweb\n", "the kubelet's /etc/hosts")

    # The pod's end: main containers first, with their grace, then the sidecar; slipwayd dies within the grace and the kubelet asks again.
    stopping = cri.begin("StopContainer", {"container_id": pod.ids["main"], "timeout": 30}, 30)
    wait_for(20, "the signal", lambda: "going" in pod.log("main"))
    cri.restart()
    check(stopping.code in ("UNAVAILABLE", "CANCELLED", "UNKNOWN"), f"the call that was cut off: {stopping.code} {stopping.text}")
    pod.kill("main", 28)
    same((pod.of("main")["exit_code"], pod.of("main")["reason"]), (7, "Error"), "main")
    same(pod.log("main").count("going"), 1, "how often it got its signal: the monitor knows of the first")
    check(pod.running("sidecar"), "the sidecar ends after the others")
    took = pod.kill("sidecar", 20)
    check(took < 20, f"the sidecar took {took:.1f} s of 20")
    same((pod.of("sidecar")["exit_code"], pod.log("sidecar")), (7, ["bye"]), "sidecar")
    pod.remove()


def probe_all(cri, pod):
    """Each kind, good and bad."""
    same(pod.exec("main", ["cat", "/www/healthz"]), (0, "fine\n"), "exec probe")
    same(pod.exec("main", ["sh", "-c", "echo no; exit 3"]), (3, "no\n"), "failing exec probe")
    began = time.monotonic()
    call = cri.begin("ExecSync", {"container_id": pod.ids["main"], "cmd": ["sh", "-c", "sleep 300 & sleep 300"], "timeout": 1}, 1)
    call.done.wait()
    same(call.code, "DEADLINE_EXCEEDED", f"a probe that takes too long ({call.text})")
    check(time.monotonic() - began < 15, f"and which was told after {time.monotonic() - began:.1f} s")
    wait_for(20, "httpd", lambda: probes.tcp(pod.ip, 8080))
    same(probes.http_get(pod.ip, 8080, "/healthz"), 200, "HTTP probe")
    same(probes.http_get(pod.ip, 8080, "/nothing"), 404, "failing HTTP probe")
    wait_for(20, "the TCP server", lambda: probes.tcp(pod.ip, 9090))
    check(not probes.tcp(pod.ip, 9091), "a TCP probe of a closed port")
    wait_for(20, "SERVING", lambda: probes.tcp(pod.ip, 5000) and probes.grpc(pod.ip, 5000))


def a_crash_loop(cri, image):
    """Each end told with its code, times and message, also one that slipwayd did not live to see; a new attempt each time."""
    pod = Pod(cri, "crash", image)
    pod.run()
    pod.container("main", ["sh", "-c", "echo attempt; echo the reason >/dev/termination-log; sleep 1; exit 3"])
    previous = None
    for attempt in range(4):
        if attempt == 2:
            cri.stop()
            time.sleep(2)  # it ends now, with nobody there
            cri.start()
        end = pod.ended("main")
        same((end["exit_code"], end["reason"], pod.message("main")), (3, "Error", "the reason\n"), f"attempt {attempt}")
        ran = (int(end["finished_at"]) - int(end["started_at"])) / 1e9
        check(0.9 < ran < 30, f"attempt {attempt} ran for {ran} s")
        same(pod.log("main"), ["attempt"], f"log of attempt {attempt}")
        if previous is not None:  # the kubelet keeps the last dead one
            cri("RemoveContainer", {"container_id": previous})
            check(os.path.exists(f"{pod.logs}/main/{attempt - 1}.log"), "the log is the kubelet's")
        previous = pod.ids["main"]
        if attempt < 3:
            time.sleep(0.2 * 2**attempt)  # the back-off
            pod.start("main")
    same(len(pod.listed()), 1, "containers kept")

    # Ends of other kinds, as the kubelet tells them apart.
    pod.container("oom", ["sh", "-c", "exec tail /dev/zero"], resources={"memory_limit_in_bytes": "20971520", "memory_swap_limit_in_bytes": "20971520"})
    end = pod.ended("oom")
    same((end["exit_code"], end["reason"]), (137, "OOMKilled"), "out of memory")
    pod.specs["absent"] = (["/no/such/program"], {})
    try:
        pod.start("absent")
        check(False, "a program that is not there was started")
    except Failed as error:
        check("/no/such/program" in error.message, f"what is told of it: {error}")
    pod.remove()


def a_rotated_log(cri, image):
    """Rename, ReopenContainerLog, again and again, slipwayd dead between the two once: no line is missing, none twice."""
    pod = Pod(cri, "talker", image)
    pod.run()
    pod.container("main", ["sh", "-c", "i=0; while [ $i -lt 600 ]; do echo line $i; i=$((i+1)); [ $((i % 20)) -ne 0 ] || sleep 0.2; done"])
    path = f"{pod.logs}/main/0.log"
    wait_for(30, "lines", lambda: os.path.exists(path) and os.path.getsize(path) > 2000)
    for turn in range(3):
        os.rename(path, f"{path}.2026112214000{turn}")
        if turn == 1:
            cri.restart()
        cri("ReopenContainerLog", {"container_id": pod.ids["main"]})
        check(os.path.exists(path), "the log is made anew")
        wait_for(30, "lines after a rotation", lambda: os.path.getsize(path) > 500 or not pod.running("main"))
    pod.ended("main", 120)
    same(pod.log("main"), [f"line {number}" for number in range(600)], "the log in its pieces")
    # Of a container that has ended: an error, no file, and the kubelet renames back.
    os.rename(path, path + ".gone")
    call = cri.begin("ReopenContainerLog", {"container_id": pod.ids["main"]})
    call.done.wait()
    check(call.code != "OK" and not os.path.exists(path), f"reopening the log of a container that ended: {call.code}")
    pod.remove()


def a_probe_cut_off(cri, image):
    """slipwayd dies while an exec probe and a preStop hook run: the calls end, what they started ends too, the container lives."""
    pod = Pod(cri, "hooked", image)
    pod.run()
    pod.container("main", ["sh", "-c", TERMINATES + FOREVER])
    calls = [cri.begin("ExecSync", {"container_id": pod.ids["main"], "cmd": ["sh", "-c", f"touch /began{n}; exec sleep 77{n}"], "timeout": 90}, 90)
             for n in range(2)]
    wait_for(30, "both to run", lambda: pod.exec("main", ["sh", "-c", "test -e /began0 && test -e /began1"])[0] == 0)
    cri.restart()
    for call in calls:
        check(call.done.wait(10) and call.code != "OK", f"a call that was cut off: {call.code} {call.text}")
    wait_for(20, "end of what was cut off", lambda: pod.exec("main", ["sh", "-c", "ps | grep 'sleep [7]7'"])[0] == 1)
    check(pod.running("main"), "the container lives")

    # Graceful shutdown of the node: preStop first, which takes of the grace, then the signal.
    same(pod.exec("main", ["sh", "-c", "echo hook >/proc/1/fd/1; sleep 1"], 30)[0], 0, "preStop")
    took = pod.kill("main", 20)
    check(took < 20, f"the stop took {took:.1f} s of 20")
    same((pod.of("main")["exit_code"], pod.log("main")), (7, ["hook", "bye"]), "what it said, in the order of its end")
    took = pod.kill("main", 2)
    check(took < 2, "a stop of what has stopped takes no time")
    # Who does not heed the signal is killed when the grace is over, not before; the grace goes on through a restart.
    pod.container("deaf", ["sh", "-c", "trap '' TERM; " + FOREVER])
    began = time.monotonic()
    cut_off = cri.begin("StopContainer", {"container_id": pod.ids["deaf"], "timeout": 6}, 6)
    time.sleep(2)
    cri.restart()
    cut_off.done.wait()
    pod.kill("deaf", 4)
    took = time.monotonic() - began
    check(5.5 < took < 40, f"killed after {took:.1f} s of 6")
    same((pod.of("deaf")["exit_code"], pod.of("deaf")["reason"]), (137, "Error"), "who did not heed it")
    pod.remove()
