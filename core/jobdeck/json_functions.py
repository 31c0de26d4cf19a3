"""JSON as the engine writes and reads it: with Python's functions as they were when jobdeck was imported."""

from __future__ import annotations

import json as _json


class _Json:
    """The functions of Python's `json`, under their own names.

    Handlers and tests replace those of the module, for their own code: the engine, which reads and writes rows at the same
    time, must not fail by that. The modules of the engine import this one instead, as they do with `clock.time`.
    """

    dump = staticmethod(_json.dump)
    dumps = staticmethod(_json.dumps)
    loads = staticmethod(_json.loads)
    JSONDecoder = _json.JSONDecoder
    JSONEncoder = _json.JSONEncoder


json = _Json
