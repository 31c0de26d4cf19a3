"""Redacts passwords in addresses of databases."""

from __future__ import annotations

import re
from urllib.parse import unquote


def without_password(where: str) -> str:
    """Return the address without its password."""
    shown = re.sub(r"(?<=://)([^/@?#:]*):[^/?#]*@", r"\1@", where)
    return re.sub(r"([?&])(password|sslpassword|passfile)=[^&]*&?", r"\1", unquote(shown)).rstrip("?&")
