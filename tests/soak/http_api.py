"""Try the HTTP API with generated requests: every endpoint, valid and invalid, alone and in sequences.

    python -m tests.soak.http_api --seconds 600
    python -m tests.soak.http_api --seconds 600 --store postgres

It needs schemathesis (`pip install schemathesis`), perhaps in an environment of its own: --schemathesis names its program.
All of its checks are made but one: a value that the schema allows may be refused, because a filter, a cron expression or the
arguments of a kind have rules that JSON Schema cannot express. Streams are left out, because they do not end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.core.helpers import ADDRESSES, CLOSES
from tests.core.http.api import served

from jobdeck import Worker


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--store", choices=ADDRESSES, default="sqlite")
    parser.add_argument("--schemathesis", default=shutil.which("schemathesis"))
    given = parser.parse_args()
    if given.schemathesis is None:
        parser.error("schemathesis is not installed; see --schemathesis")
    with tempfile.TemporaryDirectory(prefix="jobdeck-http-") as folder:
        path = Path(folder) / "jobs.db"
        with served(Path(folder), ADDRESSES[given.store](path)) as api, Worker(api.queue, threads=1):
            client = api.client()
            command = [given.schemathesis, "run", f"{api.server.url}/api/v1/openapi.json"]
            command += ["--header", f"Authorization: {client.headers['Authorization']}", "--max-time", str(given.seconds)]
            command += ["--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all"]
            command += ["--exclude-path", "/api/v1/events", "--exclude-path", "/api/v1/jobs:bulk"]
            command += ["--continue-on-failure", "--request-timeout", "70"]
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            code = subprocess.run(command, env=environment, cwd=folder, check=False).returncode
        CLOSES[given.store](path)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        if (postgres := sys.modules.get("tests.core.postgres")) is not None:
            postgres.end()
