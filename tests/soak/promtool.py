"""Let Prometheus' own tool check what jobdeck gives it: the metrics of a busy queue, the alert rules, and the dashboard.

    python -m tests.soak.promtool
    python -m tests.soak.promtool --store postgres

It needs promtool (Debian: the package prometheus); --promtool names it. Exits with 1 if it finds anything.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.core.helpers import ADDRESSES, CLOSES

from jobdeck import FINAL, Queue, QueueCollector, Registry, Settings, Worker, add_shell, job, read_alert_rules, read_dashboard

REGISTRY = Registry()
add_shell(REGISTRY)
NAMES = ("mail", 'a"b', "back\\slash", "état 🦉", "per%cent", "brace}{")
# A queue that no worker serves, one that is paused, one whose jobs fail, a worker that hangs.
ALERTS = """
rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: 'jobdeck_build_info{instance="i",job="j"}', values: '1x30' }
      - { series: 'jobdeck_jobs{instance="i",job="j",queue="mail",state="pending"}', values: '5x30' }
      - { series: 'jobdeck_jobs{instance="i",job="j",queue="held",state="pending"}', values: '5x30' }
      - { series: 'jobdeck_queue_paused{instance="i",job="j",queue="mail"}', values: '0x30' }
      - { series: 'jobdeck_queue_paused{instance="i",job="j",queue="held"}', values: '1x30' }
      - { series: 'jobdeck_queue_oldest_ready_seconds{instance="i",job="j",queue="mail"}', values: '0+60x30' }
      - { series: 'jobdeck_queue_oldest_ready_seconds{instance="i",job="j",queue="held"}', values: '9999x30' }
      - { series: 'jobdeck_workers{instance="i",job="j",state="alive"}', values: '1x10 0x20' }
      - { series: 'jobdeck_workers{instance="i",job="j",state="stalled"}', values: '0x30' }
      - series: 'jobdeck_jobs_finished_total{instance="i",job="j",queue="mail",kind="k",outcome="failed"}'
        values: '0+2x30'
      - series: 'jobdeck_jobs_finished_total{instance="i",job="j",queue="mail",kind="k",outcome="completed"}'
        values: '0+6x30'
      - { series: 'jobdeck_crashes_total{instance="i",job="j"}', values: '0x30' }
    alert_rule_test:
      - { eval_time: 5m, alertname: JobdeckNoWorker, exp_alerts: [] }
      - eval_time: 20m
        alertname: JobdeckNoWorker
        exp_alerts:
          - exp_labels: { severity: critical, job: j, instance: i }
            exp_annotations:
              summary: Jobs are ready, and no worker is alive.
              description: Start a worker; `jobdeck health` has the details.
      - eval_time: 20m
        alertname: JobdeckQueueStalled
        exp_alerts:
          - exp_labels: { severity: warning, job: j, instance: i, queue: mail }
            exp_annotations:
              summary: The oldest job of queue mail has been ready for 20m 0s.
              description: "`jobdeck why ID` explains why it does not run; `jobdeck queues` shows limits and workers."
      - eval_time: 20m
        alertname: JobdeckJobsFail
        exp_alerts:
          - exp_labels: { severity: warning, job: j, instance: i, queue: mail, kind: k }
            exp_annotations:
              summary: More than a tenth of the jobs k in queue mail fail.
              description: "`jobdeck errors` groups the failures by line of code."
      - { eval_time: 20m, alertname: JobdeckProcessesCrash, exp_alerts: [] }
      - { eval_time: 20m, alertname: JobdeckMetricsMissing, exp_alerts: [] }
"""


@job(name='odd "kind"', max_attempts=2, registry=REGISTRY)
def odd(n: int) -> None:
    if random.random() < 0.2:
        raise ValueError(n)


def metrics(store: str, folder: Path) -> bytes:
    """Return the metrics of a queue that works."""
    path = folder / "jobs.db"
    with Queue(ADDRESSES[store](path), registry=REGISTRY, settings=Settings(synchronous="OFF")) as queue:
        ids = [queue.enqueue('odd "kind"', {"n": n}, queue=NAMES[n % len(NAMES)]).id for n in range(300)]
        queue.pause("paused")
        with Worker(queue, threads=2):
            until = time.monotonic() + 20
            while time.monotonic() < until and not all(each.state in FINAL for each in queue.get_many(ids[:200])):
                time.sleep(0.1)
            text = QueueCollector(queue).text()
    CLOSES[store](path)
    return text


def dashboard_rules() -> str:
    """Return rules with the expressions of the dashboard: promtool parses no others."""
    rules = []
    for panel in json.loads(read_dashboard())["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "5m")
            rules.append({"record": f"panel:{panel['id']}{target['refId']}", "expr": re.sub(r"\$\w+", ".*", text)})
    return json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})  # JSON is YAML


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=ADDRESSES, default="sqlite")
    parser.add_argument("--promtool", default=shutil.which("promtool"))
    given = parser.parse_args()
    if given.promtool is None:
        parser.error("promtool is not installed; see --promtool")
    failed = False
    with tempfile.TemporaryDirectory(prefix="jobdeck-promtool-") as name:
        folder = Path(name)
        (folder / "alerts.yml").write_text(read_alert_rules())
        (folder / "dashboard.yml").write_text(dashboard_rules())
        (folder / "alerts-test.yml").write_text(ALERTS)
        for words, text in (
            (["check", "metrics"], metrics(given.store, folder)),
            (["check", "rules", "alerts.yml"], b""),
            (["check", "rules", "dashboard.yml"], b""),
            (["test", "rules", "alerts-test.yml"], b""),
        ):
            done = subprocess.run([given.promtool, *words], input=text, cwd=folder, capture_output=True)
            said = (done.stdout + done.stderr).decode().strip()
            print(f"promtool {' '.join(words)}: {'ok' if done.returncode == 0 else 'FAILED'}\n{said}".strip())
            failed |= done.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
