"""The environment that a command carries is stored, but neither found as text nor replaced by its mask."""

from __future__ import annotations

import pytest

from jobdeck import InvalidArguments, Queue, Registry


def test_free_text_is_searched_in_the_command_and_its_folder_only(address: str) -> None:
    with Queue(address, registry=Registry()) as queue:
        args = {"command": ["gzip", 'a "b"'], "cwd": "/srv/app", "base_env": {"PATH": "/usr/bin", "A_TOKEN": "needle"}}
        carrying = queue.enqueue("shell", args).id
        plain = queue.enqueue("shell", {"command": ["tar"], "env": {"LEVEL": "needle"}}).id
        queue.enqueue("shell", {"command": ["gzip"], "base_env": {}})
        assert list(queue.ids("needle")) == [plain]
        assert list(queue.ids("/srv/app")) == [carrying]
        assert carrying in queue.ids("GZIP")
        assert list(queue.ids("args.base_env.PATH:/usr/bin")) == [carrying]


def test_a_mask_is_never_stored_as_the_value(address: str) -> None:
    with Queue(address, registry=Registry()) as queue:
        masked = {"command": ["x"], "base_env": {"URL": "https://ann:***@host"}}
        job = queue.enqueue("shell", {"command": ["x"], "env": {"STARS": "***"}})  # its name tells no secret
        for attempt in (
            lambda: queue.enqueue("shell", masked),
            lambda: queue.enqueue_bulk("shell", [masked]),
            lambda: queue.edit(job.id, masked),
        ):
            with pytest.raises(InvalidArguments, match="has the mask of a secret as the value of URL"):
                attempt()
