"""Secrets that a program asks to store: they are written readable, where pydantic would write asterisks.

Whoever can read the database, or lists the job's arguments, can read them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer, SecretBytes, SecretStr


def _read_str(secret: SecretStr) -> str:
    return secret.get_secret_value()


def _read_bytes(secret: SecretBytes) -> bytes:
    return secret.get_secret_value()


StoredSecretStr = Annotated[SecretStr, PlainSerializer(_read_str)]
"""The annotation of an argument that is a `pydantic.SecretStr`, stored readable in the database."""
StoredSecretBytes = Annotated[SecretBytes, PlainSerializer(_read_bytes)]
"""The annotation of an argument that is a `pydantic.SecretBytes` of valid UTF-8, stored readable in the database."""
