"""Fifty people asking a running server at once: nobody is lost, nobody gets another's answer, memory stays flat.

The real embedding model without the reader: it is the server that is put to the test.
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import qa

ROOT = Path(__file__).parents[2]
PEOPLE, ROUNDS, DEADLINE = 50, 3, 120.0
FLAT = 100 << 20
"""Bytes that the server may grow by after the first round, when all is loaded."""


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_fifty_people_asking_at_once_each_get_their_own_answer(tmp_path, capsys):
    towns = [f"Q{chr(97 + i // 10)}{chr(97 + i % 10)}ville" for i in range(PEOPLE)]
    settings = qa.Settings.from_environ().model_copy(update={"reader": None})
    with qa.Archive.create(tmp_path / "archive", settings=settings) as archive:
        archive.add(
            qa.Article(
                id=town,
                title=f"Council of {town}",
                text=f"The council of {town} met on Monday. The mayor of {town} is Number{i} Smith. It rained.",
            )
            for i, town in enumerate(towns)
        )
    server = subprocess.Popen(
        [sys.executable, "-m", "qa", "serve", "--port", "0", "--archive", str(tmp_path / "archive")],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "QA_RATE": "0", "QA_READER": "none", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        url = server.stderr.readline().split()[5]
        end = time.monotonic() + DEADLINE
        while httpx.get(f"{url}healthz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.2)
        busy = 0

        def ask(number: int) -> float:
            nonlocal busy
            began = time.monotonic()
            with httpx.Client(timeout=DEADLINE) as client:
                while True:
                    body = {"question": f"Who is the mayor of {towns[number]}?"}
                    response = client.post(f"{url}turn", json=body)
                    if response.status_code != 503 or time.monotonic() > end:
                        break
                    busy += 1
                    time.sleep(int(response.headers["retry-after"]) / 5)
            assert response.status_code == 200, response.text
            told = response.json()
            assert told["cited"][0] == towns[number]
            assert f"Number{number} Smith" in told["text"]
            return time.monotonic() - began

        took: list[float] = []
        memory = []
        for _ in range(ROUNDS):
            with ThreadPoolExecutor(PEOPLE) as people:
                took += people.map(ask, range(PEOPLE))
            memory.append(resident(server.pid))
        assert len(took) == PEOPLE * ROUNDS
        assert memory[-1] - memory[0] < FLAT
        p95 = statistics.quantiles(took, n=20)[-1]
        sizes = ", ".join(f"{size >> 20}" for size in memory)
        with capsys.disabled():
            sys.stdout.write(
                f"\n{len(took)} questions of {PEOPLE} people at once: median {statistics.median(took):.1f} s, "
                f"p95 {p95:.1f} s, {busy} told to come back; memory after each round {sizes} MiB\n"
            )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(40)
        server.stderr.close()
