"""Load test of the gateway: errors, search latency and gateway_mb with many concurrent clients.

    .venv/bin/python -m benchmarks.gateway_load --seconds 180 --clients 50

Needs a running stack (`triptych up`) and uses the project `load`. Each client sends one request after another, with
pauses.
"""

import argparse
import json
import random
import statistics
import threading
import time
from collections import Counter, defaultdict
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import psutil

from flows.running.platform import open_platform
from flows.running.settings import load_settings
from gateway.tokens import Tokens
from stack.processes import running_process
from stack.servers import gateway

WORDS = (
    *("cat", "dog", "tree", "car", "house", "boat", "bird", "apple", "guitar", "bus", "ball", "flower", "train"),
    *("cup", "fish", "moon", "star", "hat", "bridge", "bear"),
)
KINDS = ("search", "upload", "generate")
BUSY = 429


class Tally:
    """Status and latency of every request, thread-safe."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.errors: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, kind: str, seconds: float, status: int, text: str) -> None:
        with self._lock:
            self.statuses[kind, status] += 1
            if status < 400:
                self.seconds[kind].append(seconds)
            elif status != BUSY:
                self.errors[f"{kind} {status} {text[:120]}"] += 1


def send_request(client: httpx.Client, kind: str, dice: random.Random, number: int) -> httpx.Response:
    if kind == "search":
        words = " ".join(dice.sample(WORDS, 2))
        return client.post("/api/search", json={"words": words, "limit": 10})
    if kind == "upload":
        return client.post("/api/artifacts", files={"file": (f"{number}.png", picture(dice))})
    order = {"prompt": dice.choice(WORDS), "count": 1, "seed": dice.randrange(2**32)}
    return client.post("/api/jobs", json={"deployment": "generate-images", "parameters": order})


def picture(dice: random.Random) -> bytes:
    from PIL import Image

    file = BytesIO()
    small = bytes(dice.randrange(256) for _ in range(8 * 8 * 3))
    Image.frombytes("RGB", (8, 8), small).resize((96, 96)).save(file, "PNG")
    return file.getvalue()


def run_client(
    url: str, token: str, number: int, until: float, pause: float, shares: list[float], tally: Tally
) -> None:
    dice = random.Random(number)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        while time.monotonic() < until:
            time.sleep(dice.expovariate(1 / pause))
            kind = dice.choices(KINDS, shares)[0]
            started = time.perf_counter()
            try:
                answer = send_request(client, kind, dice, number)
                tally.add(kind, time.perf_counter() - started, answer.status_code, answer.text)
            except httpx.HTTPError as error:
                tally.add(kind, time.perf_counter() - started, 599, type(error).__name__)


def gateway_mb(home: Path) -> float:
    """The resident gateway_mb of the gateway in MB."""
    process = running_process(home, gateway.NAME)
    return process.memory_info().rss / 1e6 if process else 0.0


def run(
    clients: int, seconds: float, pause: float, shares: list[float], url: str, warm_up_seconds: float = 20
) -> dict[str, Any]:
    settings = load_settings()
    token = Tokens(open_platform().bucket).create(f"load-{time.time_ns()}", "maker", "load")
    warm_up = Tally()
    run_client(url, token, 10_000, time.monotonic() + warm_up_seconds, 0.5, [1, 0, 0], warm_up)
    tally = Tally()
    started, before = time.monotonic(), gateway_mb(settings.home)
    people = [
        threading.Thread(target=run_client, args=(url, token, n, started + seconds, pause, shares, tally))
        for n in range(clients)
    ]
    for thread in people:
        thread.start()
    time.sleep(seconds / 2)
    middle = gateway_mb(settings.home)
    for thread in people:
        thread.join()
    searches = sorted(tally.seconds["search"])
    return {
        "clients": clients,
        "seconds": seconds,
        "pause_seconds": pause,
        "cores": psutil.cpu_count(),
        "requests": {f"{kind} {status}": count for (kind, status), count in sorted(tally.statuses.items())},
        "errors_other_than_429": dict(tally.errors),
        "search_ms": {
            "p50": round(statistics.median(searches) * 1000, 1),
            "p95": round(searches[int(len(searches) * 0.95)] * 1000, 1),
            "p99": round(searches[int(len(searches) * 0.99)] * 1000, 1),
        },
        "gateway_mb": {"before": round(before), "middle": round(middle), "after": round(gateway_mb(settings.home))},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between two requests of one client")
    parser.add_argument("--shares", type=float, nargs=3, default=[0.8, 0.1, 0.1], help="searches, uploads, pictures")
    chosen = parser.parse_args()
    url = str(load_settings().gateway_url)
    print(json.dumps(run(chosen.clients, chosen.seconds, chosen.pause, chosen.shares, url), indent=1))


if __name__ == "__main__":
    main()
