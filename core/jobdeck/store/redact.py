"""The address of a database as people may see it."""

from __future__ import annotations

import re
from urllib.parse import unquote


def without_password(where: str) -> str:
    """The address as it may be shown."""
    shown = re.sub(r"(?<=://)([^/@?#:]*):[^/?#]*@", r"\1@", where)
    return re.sub(r"([?&])(password|sslpassword|passfile)=[^&]*&?", r"\1", unquote(shown)).rstrip("?&")
