"""The app of the demo's second worker process (`jobdeck --app … worker`); the cockpit never imports it."""

from __future__ import annotations

import os
from pathlib import Path

from jobdeck import REGISTRY

from .kinds import register
from .outage import use_folder
from .second_worker import FOLDER

register(REGISTRY)
use_folder(Path(os.environ[FOLDER]) if FOLDER in os.environ else None)
