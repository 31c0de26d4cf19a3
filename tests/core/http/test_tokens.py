"""The token file: private, whole at any time, and read again when it changes."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from jobdeck import InvalidOption, Scope, TokenExists, TokenFile, TokenFileRefused, TokenNotFound


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "new" / "tokens.json")


def test_a_token_is_found_by_its_secret_until_it_is_removed(tokens: TokenFile) -> None:
    assert tokens.tokens() == ()
    secret = tokens.add("web", ["read", Scope.ENQUEUE])
    found = TokenFile(tokens.path).find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("web", {Scope.READ, Scope.ENQUEUE})
    assert tokens.find(secret + "x") is tokens.find("") is tokens.find("\udcff") is None
    TokenFile(tokens.path).remove("web")
    assert tokens.find(secret) is None


def test_the_file_is_private_and_holds_no_secret(tokens: TokenFile) -> None:
    secret = tokens.add("web", ["read"])
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert tokens.path.parent.stat().st_mode & 0o777 == 0o700
    assert secret not in tokens.path.read_text()
    assert secret.removeprefix("jobdeck_") not in tokens.path.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused(tokens: TokenFile, mode: int) -> None:
    secret = tokens.add("web", ["read"])
    tokens.path.chmod(mode)
    with pytest.raises(TokenFileRefused, match="chmod 600"):
        tokens.find(secret)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tokens": [{}]}', '{"tokens": [{"name": "a", "scopes": ["all"]}]}', "\0"])
def test_a_damaged_file_is_refused_and_left_as_it_is(tokens: TokenFile, text: str) -> None:
    tokens.add("web", ["read"])
    tokens.path.write_text(text)
    for use in (tokens.tokens, lambda: tokens.add("b", ["read"]), lambda: tokens.remove("web")):
        with pytest.raises(TokenFileRefused, match="is damaged"):
            use()
    assert tokens.path.read_text() == text


def test_names_and_scopes_are_checked(tokens: TokenFile) -> None:
    tokens.add("web", ["read"])
    with pytest.raises(TokenExists):
        tokens.add("web", ["read"])
    with pytest.raises(TokenNotFound):
        tokens.remove("nosuch")
    for name, scopes in [("", ["read"]), ("a\nb", ["read"]), ("a b", ["read"]), ("b", []), ("b", ["all"])]:
        with pytest.raises(InvalidOption):
            tokens.add(name, scopes)
    assert [token.name for token in tokens.tokens()] == ["web"]


def test_tokens_that_are_added_at_once_are_all_kept(tokens: TokenFile) -> None:
    threads = [threading.Thread(target=TokenFile(tokens.path).add, args=(f"t{n}", ["read"])) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.name for token in tokens.tokens()} == {f"t{n}" for n in range(8)}
    assert len(json.loads(tokens.path.read_text())["tokens"]) == 8
