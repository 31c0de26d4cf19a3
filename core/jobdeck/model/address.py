"""The address of a database: a file, or a server with its password, which is never shown. Pure.

Addresses are parsed strictly, before a driver or the file system sees them. Whatever cannot be parsed is refused in words that
repeat nothing of it: an `@` or `/` that was not escaped makes a part of the password look like the host, the port or the name
of the database, and drivers quote those in their errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import NoReturn, Self
from urllib.parse import unquote_to_bytes

from .errors import StoreRefused
from .record_class import record

# Texts, which `re` compiles when they are first used: most addresses are plain paths, and each command starts anew.
_SERVERS = ("postgresql", "postgres")
_MEANS_POSTGRES = r"(?i)(jdbc:)?(postgres|postgresql|psql|pgsql|pg|postgis|psycopg2?|asyncpg)(\+\w*)?"
_SCHEME = r"\s*([A-Za-z][A-Za-z0-9+.-]*(?::[A-Za-z][A-Za-z0-9+.-]*)?)://"
_ONE_SLASH = r"(?i)\s*(jdbc:)?(postgres|postgresql|psql|pgsql|sqlite)(\+\w*)?(:|//)"
_CREDENTIALS = r"(?s).*?:.*@"
_OPTION = r"(?:host|hostaddr|port|dbname|user|password|passfile|service|sslmode|sslkey|sslcert|options|application_name)"
_FIRST_OPTION = rf"(?i)\s*{_OPTION}\s*="
_ANY_OPTION = rf"(?i)(?:^|[\s;?&]){_OPTION}\s*=|(?:pass|pwd|secret)\w*\s*="
_HIDDEN = r"(?i)pass|pwd|secret|token|scram"
_PAIR = r"(?s)\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|))(?=\s|$)"

_WRITE = "write postgresql://user:password@host/database"
_GIVEN = "The given text"
_INVALID = "is not a valid database address"

_QUOTED_URL = r"((?:^|(?<=[^A-Za-z0-9+.-]))[A-Za-z][A-Za-z0-9+.-]*:/+[^\s:@/'\"]*):[^'\"\n]*@"
_QUOTED_OPTION = r"(?i)((?:pass|pwd|secret)\w*\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'&]+)"


@record
class DatabaseAddress:
    """The parsed address of a database."""

    text: str = field(repr=False)
    """The address for the store, with the password."""
    shown: str
    """The address without its password."""
    file: Path | None
    """The SQLite file, with `~` expanded; `None` for a server."""
    is_api: bool = False
    """`True` if it is that of the HTTP API of a queue, and of no database."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a path, `sqlite:///path`, `postgresql://user:password@host/database`, libpq's `host=… dbname=…`, or `http://host`.

        A path that could be one of the others is written with `./` before it.

        Raises:
            StoreRefused: it cannot be parsed, or names another type of database. The message holds nothing of the address.
        """
        rooted = text.startswith(("/", "./", "../", "~")) and not text.startswith("//")
        if rooted or not any(sign in text for sign in ":=@"):
            return cls(text, text, _expanded(text))
        scheme = re.match(_SCHEME, text)
        if scheme is not None:
            return cls._parse_url(text, scheme[1], text[scheme.end() :])
        if re.match(_FIRST_OPTION, text):
            _check_text(text, _GIVEN)
            return cls(text, _check_options(_split_options(text)), None)
        if "://" in text or re.match(_ONE_SLASH, text) or re.search(_ANY_OPTION, text) or re.match(_CREDENTIALS, text):
            write = "write sqlite:///path" if text.lstrip().lower().startswith("sqlite") else _WRITE
            _refuse(_GIVEN, f"{write}, or put ./ before the path of a file")
        return cls(text, text, _expanded(text))

    @classmethod
    def _parse_url(cls, text: str, scheme: str, rest: str) -> Self:
        shown = f"{scheme if len(scheme) <= 30 else ''}://…"
        if scheme in _SERVERS:
            _check_text(rest, shown)
            return cls(text.strip(), f"{scheme}://{_check_server(rest.rstrip(), shown)}", None)
        if scheme.lower() in ("http", "https"):
            return cls(address := _check_api(scheme.lower(), rest.strip()), address, None, is_api=True)
        if scheme == "sqlite":
            if (not rest.startswith("/") and "@" in rest) or re.search(r"\?.*=", rest):
                _refuse(shown, "a file has no user and no options; write sqlite:///path")
            return cls(text, text, _expanded(rest.removeprefix("/")))
        if re.fullmatch(_MEANS_POSTGRES, scheme):
            _refuse(shown, "it must start with postgresql://")
        if scheme.lower().partition("+")[0] == "sqlite":
            _refuse(shown, "it must start with sqlite:///")
        name = shown.removesuffix("://…") or "foreign"
        raise StoreRefused(shown, f"names a {name} database, and this jobdeck works on SQLite and PostgreSQL; give a path")


def redact(message: str) -> str:
    """Return a message without the passwords of addresses that it may quote."""
    return re.sub(_QUOTED_OPTION, r"\1…", re.sub(_QUOTED_URL, r"\1:…@", message))


def _refuse(shown: str, problem: str) -> NoReturn:
    raise StoreRefused(shown, f"{_INVALID}: {problem}")


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StoreRefused(path, "names the home folder of a user who is not known here") from None


def _check_text(text: str, shown: str) -> None:
    if any(sign < " " or "\ud800" <= sign <= "\udfff" or sign == "\x7f" for sign in text):
        _refuse(shown, "it holds a control character, or is not UTF-8 text")


def _decode(text: str, shown: str) -> str:
    """Decode `%` escapes strictly."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        _refuse(shown, "a % must be followed by two hexadecimal digits; write %25 for a % in the password")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        _refuse(shown, "its % escapes are not UTF-8 text; write %25 for a % in the password")
    _check_text(decoded, shown)
    return decoded


def _check_server(rest: str, shown: str) -> str:
    """Check what follows the scheme, split where libpq splits it; return it without the password, to be shown."""
    credentials, separator, tail = "", "", rest
    if (found := re.match(r"([^@/]*)@", rest)) is not None:
        credentials, separator, tail = found[1], "@", rest[found.end() :]
    if "@" in tail or "?" in credentials:
        _refuse(shown, "write @ in a user name or password as %40, / as %2F, and ? as %3F")
    parts = re.fullmatch(r"([^/?]*)(/[^?]*)?(?:\?(.*))?", tail)
    assert parts is not None  # it matches every text without a line break
    hosts, database = _decode(parts[1], shown), _decode(parts[2] or "", shown)
    user, _, password = credentials.partition(":")
    user = _decode(user, shown)
    _decode(password, shown)
    _check_hosts(hosts, shown)
    given = {"user": user, "dbname": database.removeprefix("/")}
    _check_values(given.items(), shown)
    pairs = []
    for option in (parts[3] or "").split("&") if parts[3] else ():
        name, equals, value = option.partition("=")
        if not equals or "=" in value or not re.fullmatch(r"[A-Za-z_]+", name):
            _refuse(shown, "its options must read name=value&name=value; write & in a value as %26, and = as %3D")
        pairs.append((name, _decode(value, shown)))
    _check_values(pairs, shown)
    options = "&".join(f"{name}={value}" for name, value in pairs if not re.search(_HIDDEN, name))
    return redact(f"{user}{separator}{hosts}{database}{'?' * bool(options)}{options}")


def _check_api(scheme: str, rest: str) -> str:
    """Return the address of an HTTP API as it is used and shown: it holds no secret."""
    shown = f"{scheme}://…"
    if "@" in rest or "?" in rest or "#" in rest:
        _refuse(shown, "write http://host:port, and give the token in JOBDECK_TOKEN or with --token-file")
    parts = re.fullmatch(r"((?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?)((?:/[A-Za-z0-9._~-]+)*)/*", rest)
    if parts is None or int(parts[2] or 1) > 65535:
        _refuse(shown, "write http://host:port or https://host")
    return f"{scheme}://{parts[1]}{parts[3].removesuffix('/api/v1')}"


def _split_options(text: str) -> list[tuple[str, str]]:
    """Split libpq's `name=value name='another value'`, which knows backslashes."""
    pair = re.compile(_PAIR)
    pairs, position, text = [], 0, text.strip()
    while position < len(text):
        found = pair.match(text, position)
        if found is None or not re.fullmatch(r"[a-z_]+", found[1]):
            _refuse(_GIVEN, "its options must read name=value name=value; put a value with blanks in single quotes")
        value = found[3] if found[2] is None else found[2]
        pairs.append((found[1], re.sub(r"(?s)\\(.)", r"\1", value)))
        position = found.end()
    return pairs


def _check_options(pairs: list[tuple[str, str]]) -> str:
    """Check the options; return them as a URL without the password, to be shown."""
    _check_values(pairs, _GIVEN)
    known = dict(pairs)
    _check_hosts(known.get("host", ""), _GIVEN)
    user, host, port, database = (known.get(name, "") for name in ("user", "host", "port", "dbname"))
    if named := "/" not in host and "," not in host and "," not in port:
        host = f"[{host}]" if ":" in host else host
    before = ("user", "host", "port", "dbname") if named else ("user", "dbname")
    options = "&".join(
        f"{name}={value}" for name, value in known.items() if name not in before and not re.search(_HIDDEN, name)
    )
    place = host + ":" * bool(port) + port if named else ""
    return f"postgresql://{user}{'@' * bool(user)}{place}/{database}{'?' * bool(options)}{options}"


def _check_hosts(hosts: str, shown: str) -> None:
    """Check `host:port,[address]:port`: anything else may be a part of a password."""
    for each in hosts.split(","):
        address = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%\w]*\]|[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*|@?[^\s\[\]:@=?&%#]*)(?::(\d*))?", each)
        if address is None or int(address[1] or 0) > 65535:
            _refuse(shown, "its host or port is malformed; in a password, write @ as %40, / as %2F, and : as %3A")


def _check_values(pairs: Iterable[tuple[str, str]], shown: str) -> None:
    """Check the values that errors of the driver and the server quote."""
    for name, value in pairs:
        if name == "user" and (":" in value or re.search(_ANY_OPTION, value)):
            _refuse(shown, "its user name holds a colon; the one before the password must not be escaped")
        if name == "dbname" and ("://" in value or "@" in value or re.search(_ANY_OPTION, value)):
            _refuse(shown, "the name of its database looks like an address of its own")
        if name == "port" and not re.fullmatch(r"(\d{0,5},?)*", value):
            _refuse(shown, "its port is not a number")
        if name in ("host", "hostaddr"):
            _check_hosts(value, shown)
