"""python3 kubelet IMAGE SCENARIO…: a kubelet in standalone mode. Each scenario is a function of lives.py or resources.py; slipwayd is started here."""
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from kubelet import lives, resources  # noqa: E402
from kubelet.cri import Daemon, same  # noqa: E402
from kubelet.node import end_node  # noqa: E402


def ready(cri):
    """What the kubelet asks before it has any pod."""
    version = cri("Version", {"version": "0.1.0"})
    same((version["version"], version["runtime_api_version"]), ("0.1.0", "v1"), "Version")
    conditions = {one["type"]: one.get("status", False) for one in cri("Status")["status"]["conditions"]}
    same(conditions, {"RuntimeReady": True, "NetworkReady": True}, "conditions")
    same(cri("RuntimeConfig")["linux"]["cgroup_driver"], "CGROUPFS", "the cgroup driver")


def pulled(cri, reference):
    """EnsureImageExists: ImageStatus, PullImage, ImageStatus by what that gave."""
    if not cri("ImageStatus", {"image": {"image": reference}}).get("image"):
        cri("PullImage", {"image": {"image": reference}})
    found = cri("ImageStatus", {"image": {"image": reference}})["image"]
    return cri("ImageStatus", {"image": {"image": found["id"]}})["image"]["id"]


def main():
    cri = Daemon()
    failed = False
    try:
        cri.start()
        ready(cri)
        image = pulled(cri, sys.argv[1])
        for name in sys.argv[2:]:
            began = time.monotonic()
            (getattr(lives, name, None) or getattr(resources, name))(cri, image)
            print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
        same(cri("ListPodSandbox").get("items", []) + cri("ListContainers").get("containers", []), [], "what is left")
        end_node()
    except Exception:
        traceback.print_exc()
        failed = True
    finally:
        cri.stop(signal.SIGTERM)
    if failed:  # calls may still be waited for
        os._exit(1)


main()
