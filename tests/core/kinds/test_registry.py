"""A name of a kind stands for one function: another one is refused, the same one may be loaded again."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobdeck import REGISTRY, AppImportError, InvalidArguments, InvalidHandler, KindTaken, Registry, UnknownKind, job, load_apps
from jobdeck.kinds.registry import Entry
from jobdeck.testing import run_inline


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, from which modules can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file that is changed within a second must be read again
    return tmp_path


SEND = "from jobdeck import job\n\n@job\ndef send(to: str) -> str:\n    return '{}'\n"
NAMED = SEND.replace("@job", "@job(name='send')")


def write(folder: Path, file: str, text: str) -> Path:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_modules_of_the_same_name_in_two_folders_have_kinds_of_their_own(folder: Path) -> None:
    write(folder, "shop/tasks.py", SEND.format("shop"))
    write(folder, "mail/tasks.py", SEND.format("mail"))
    load_apps(["shop.tasks", "mail/tasks.py"])  # a module and a file: either way
    assert {"shop.tasks.send", "mail.tasks.send"} <= set(REGISTRY.kinds)
    assert run_inline("shop.tasks.send", {"to": "a"}).result == "shop"
    assert run_inline("mail.tasks.send", {"to": "a"}).result == "mail"


def test_a_file_that_is_imported_as_a_module_too_is_loaded_once(folder: Path) -> None:
    write(folder, "shop/tasks.py", "loaded = []\n" + SEND.format("shop"))
    load_apps(["shop/tasks.py", "shop.tasks", str(folder / "shop/tasks.py")])
    assert [kind for kind in REGISTRY.kinds if kind.endswith("tasks.send")] == ["shop.tasks.send"]


def test_a_second_function_of_the_same_name_is_refused_with_both_places(folder: Path) -> None:
    write(folder, "shop/tasks.py", NAMED.format("shop"))
    write(folder, "mail/tasks.py", "\n\n" + NAMED.format("mail"))
    with pytest.raises(AppImportError) as refused:
        load_apps(["shop.tasks", "mail.tasks"])
    message = str(refused.value)
    assert f"shop.tasks.send ({folder.resolve()}/shop/tasks.py:3)" in message
    assert f"mail.tasks.send ({folder.resolve()}/mail/tasks.py:5)" in message
    assert "@job(name=…)" in message
    assert run_inline("send", {"to": "a"}).result == "shop"


def test_a_file_does_not_take_the_place_of_a_module_that_is_already_loaded(folder: Path) -> None:
    json = sys.modules["json"]
    write(folder, "json.py", SEND.format("json"))
    with pytest.raises(AppImportError, match=r"a module 'json' is already loaded from .*; rename the file"):
        load_apps(["json.py"])
    assert sys.modules["json"] is json
    elsewhere = [str(write(folder, f"{name}/jobs.py", SEND.format(name))) for name in ("a", "b")]
    with pytest.raises(AppImportError, match="a module 'jobs' is already loaded from"):
        load_apps(elsewhere)


def test_a_file_that_fails_can_be_loaded_again(folder: Path) -> None:
    path = write(folder, "half.py", "1 / 0")
    with pytest.raises(AppImportError, match="ZeroDivisionError"):
        load_apps([str(path)])
    path.write_text(SEND.format("whole"))
    load_apps([str(path)])
    assert run_inline("half.send", {"to": "a"}).result == "whole"


def test_a_module_that_is_reloaded_replaces_its_functions(folder: Path) -> None:
    path = write(folder, "tasks.py", SEND.format("old"))
    load_apps(["tasks"])
    module = sys.modules["tasks"]
    first = module.send
    for text in ("# moved\n" + SEND.format("new"), SEND.format("newer")):
        path.write_text(text)
        importlib.reload(module)
    assert run_inline("tasks.send", {"to": "a"}).result == "newer"
    assert REGISTRY.kind_of(first) == "tasks.send"


def test_a_module_that_is_imported_again_replaces_its_functions(folder: Path) -> None:
    write(folder, "tasks.py", SEND.format("x"))
    load_apps(["tasks"])
    first = sys.modules.pop("tasks")
    load_apps(["tasks"])
    assert REGISTRY.kind_of(first.send) == REGISTRY.kind_of(sys.modules["tasks"].send) == "tasks.send"


def test_a_name_that_is_defined_twice_in_a_module_is_refused(folder: Path) -> None:
    write(folder, "tasks.py", SEND.format("a") + SEND.format("b").partition("\n")[2])
    with pytest.raises(AppImportError, match=r"tasks\.py:3.*tasks\.py:7"):
        load_apps(["tasks"])


def test_a_script_that_is_the_main_program_and_imported_is_one_program(folder: Path) -> None:
    script = SEND.format("script") + (
        "\nif __name__ == '__main__':\n"
        "    import shop\n"
        "    from jobdeck import REGISTRY, Queue\n"
        "    from jobdeck.testing import drain\n"
        "    assert shop.send is not send\n"
        "    with Queue('jobs.db') as queue:\n"
        "        jobs = [queue.enqueue(send, {'to': 'a'}), queue.enqueue(shop.send, {'to': 'a'})]\n"
        "        print([job.kind for job in jobs], [job.result for job in drain(queue)])\n"
    )
    write(folder, "shop.py", script)
    ran = subprocess.run([sys.executable, "shop.py"], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("['shop.send', 'shop.send'] ['script', 'script']\n", "")


def test_the_kinds_of_a_module_that_is_run_have_the_names_of_the_module(folder: Path) -> None:
    write(folder, "shop/tasks.py", SEND.format("x") + "\nfrom jobdeck import REGISTRY\nprint(REGISTRY.kind_of(send))\n")
    ran = subprocess.run([sys.executable, "-m", "shop.tasks"], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("shop.tasks.send\n", "")


def test_a_cell_of_a_notebook_replaces_its_function(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    for n, text in enumerate(("old", "new")):
        vars(notebook)["registry"] = kinds = vars(notebook).get("registry") or Registry()
        cell = SEND.replace("@job", "@job(registry=registry)").format(text)
        exec(compile(cell, f"<cell {n}>", "exec"), vars(notebook))
    assert run_inline("main.send", {"to": "a"}, registry=kinds).result == "new"


# -- other callables -----------------------------------------------------------------------------------


class Mail:
    @staticmethod
    def send(n: int) -> str:
        return "mail"

    def bound(self, n: int) -> str:
        return "bound"


class Sms:
    @staticmethod
    def send(n: int) -> str:
        return "sms"


def make(text: str) -> Callable[[int], str]:
    def made(n: int) -> str:
        return text

    return made


def plain(n: int) -> str:
    return "plain"


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Callback:
    def __call__(self, n: int) -> str:
        return "callback"


def test_static_methods_of_two_classes_have_kinds_of_their_own() -> None:
    kinds = Registry()
    for each in (Mail, Sms):
        job(registry=kinds)(each.send)
    assert [kinds.kind_of(each.send) for each in (Mail, Sms)] == [f"{__name__}.Mail.send", f"{__name__}.Sms.send"]


def test_a_static_method_may_be_decorated_before_or_after_it_is_made_static() -> None:
    kinds = Registry()

    class Shop:
        @job(registry=kinds)
        @staticmethod
        def outer(n: int) -> int:
            return n

        @staticmethod
        @job(registry=kinds)
        def inner(n: int) -> int:
            return -n

    names = [kinds.kind_of(each).rpartition(".")[2] for each in (Shop.outer, Shop.inner)]
    assert names == ["outer", "inner"]
    assert run_inline(Shop.outer, {"n": 3}, registry=kinds).result == 3


DIFFERENT: list[tuple[Any, Any]] = [
    (Mail.send, Sms.send),
    (Mail.send, plain),
    (make("a"), make("b")),
    (make("a"), plain),
    (lambda n: 1, lambda n: 2),
    (wrapping(plain), wrapping(make("a"))),
    (functools.partial(plain, n=1), functools.partial(plain, n=2)),
    (Callback(), Callback()),
    (Mail().bound, Mail().bound),
    (Mail().bound, Mail.send),
    (Callback(), plain),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_another_function_under_a_known_name_is_refused(first: Any, second: Any) -> None:
    kinds = Registry()
    job(name="k", registry=kinds)(first)
    with pytest.raises(KindTaken, match=r"The kind 'k' is taken by .*, so .* cannot have the same name") as refused:
        job(name="k", registry=kinds)(second)
    assert isinstance(refused.value, InvalidHandler)
    assert kinds.get("k").handler == first


mail = Mail()
SAME: list[tuple[Any, Any]] = [
    (plain, plain),
    (Mail.send, Mail.send),
    (mail.bound, mail.bound),
    (make("a"), make("a")),
    (wrapping(plain), wrapping(plain)),
    (functools.partial(plain, n=1), functools.partial(plain, n=1)),
    *[[(lambda n: n) for _ in range(2)]],
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), SAME, ids=range(len(SAME)))
def test_the_same_function_may_be_registered_again(first: Any, second: Any) -> None:
    kinds = Registry()
    job(name="k", registry=kinds)(first)
    job(name="k", registry=kinds, queue="other")(second)
    assert (kinds.get("k").handler, kinds.get("k").queue) == (second, "other")


def test_a_name_of_the_default_registry_does_not_bind_other_registries() -> None:
    one, other = Registry(), Registry()
    job(name="k", registry=one)(plain)
    job(name="k", registry=other)(Mail.send)
    with pytest.raises(UnknownKind):
        one.kind_of(Mail.send)


@pytest.mark.parametrize("thing", ["mail.send", 3, classmethod(plain)])
def test_what_is_not_a_function_is_refused_in_one_sentence(thing: Any) -> None:
    with pytest.raises(InvalidHandler, match=r"is not a function; decorate one with @job or @job\(name=…\)"):
        job(thing)


def test_every_wrong_argument_is_reported_with_its_path() -> None:
    def send(to: str, sizes: dict[str, list[int]], count: int = 1) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        Entry("k", send).check({"sizes": {"a.b": [1, "x"]}, "count": "many", "more": 1}, 1000)
    assert {each.path for each in caught.value.problems} == {("to",), ("sizes", "a.b", "1"), ("count",), ("more",)}
    assert caught.value.field == "more"  # perhaps the mistyped name of the one that is missing


def test_the_json_schema_of_the_arguments_has_their_names_types_and_defaults() -> None:
    def send(to: str, copy: list[int] | None = None) -> None: ...

    schema = Entry("mail.send", send).arguments.json_schema()
    assert (schema["required"], schema["additionalProperties"]) == (["to"], False)
    assert schema["properties"]["to"]["type"] == "string"
    assert schema["properties"]["copy"]["default"] is None


def test_the_json_schema_of_types_that_have_none_is_that_of_any_object() -> None:
    class Odd:
        @classmethod
        def __get_pydantic_core_schema__(cls, *_: object) -> object:
            from pydantic_core import core_schema

            return core_schema.is_instance_schema(cls)

    def use(odd: Odd) -> None: ...

    use.__annotations__["odd"] = Odd
    assert Entry("k", use).arguments.json_schema() == {"title": "k", "type": "object"}
