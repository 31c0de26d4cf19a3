"""A record is the frozen dataclass with slots of the same text, but for the moment at which its methods are generated."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import threading
from builtins import exec as exec_
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, fields, replace
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobdeck.model.record_class import record

FIELD = st.fixed_dictionaries(
    {"default": st.sampled_from(["", "", "default=7", "default_factory=list"])},
    optional={
        "init": st.just("init=False"),
        "repr": st.just("repr=False"),
        "compare": st.just("compare=False"),
        "hash": st.just("hash=False"),
        "kw_only": st.sampled_from(["kw_only=True", "kw_only=False"]),
    },
).map(lambda given: ", ".join(filter(None, given.values())))
BODY = st.lists(
    st.sampled_from(
        [
            "def __repr__(self): return 'mine'",
            "def __eq__(self, other): return NotImplemented",
            "def __hash__(self): return 5",
            "__hash__ = None",
            "def __init__(self, *given): object.__setattr__(self, NAME, given)",
            "def __post_init__(self): object.__setattr__(self, NAME, 'set after')",
            "def __getstate__(self): return [1, 2, 3]",
            "LIMIT: ClassVar[int] = 3",
            "_: KW_ONLY",
            "def width(self): return LIMIT",
        ]
    ),
    max_size=3,
    unique=True,
)
SHAPES = st.tuples(st.lists(FIELD, min_size=1, max_size=5), BODY, st.booleans(), st.booleans(), st.booleans())
NAMES = ("number", "self", "make", "x", "text")
VALUES = st.lists(st.sampled_from([0, 1, 7, "a", (1, 2)]), max_size=6)


def text_of(shape: Any) -> str:
    """Return the text of a class; a later part of its body decides on the first field."""
    given, body, kw_only, eq, documented = shape
    lines = [f"    {name}: int{' = field(' + each + ')' if each else ''}" for name, each in zip(NAMES, given, strict=False)]
    more = [f"    {each}".replace("NAME", repr(NAMES[0])) for each in body]
    doc = ['    """A class."""'] if documented else []
    at = len(lines) // 2
    return "\n".join([f"@made(kw_only={kw_only}, eq={eq})", "class Made:", *doc, *lines[:at], *more, *lines[at:]])


def defined(module: ModuleType, text: str, made: Callable[..., Any]) -> Any:
    header = "from __future__ import annotations\nfrom dataclasses import KW_ONLY, field\nfrom typing import ClassVar\n"
    module.__dict__["made"] = made
    exec(header + text, module.__dict__)
    return module.__dict__["Made"]


def outcome(act: Callable[[], Any]) -> Any:
    """Return the value, or the error with its text."""
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


def shape_of(cls: Any) -> Any:
    """Return all that can be asked of the class without an instance."""
    parameters = cls.__dataclass_params__
    return (
        str(inspect.signature(cls)),
        str(inspect.signature(cls.__init__)),
        cls.__init__.__qualname__,
        cls.__init__.__annotations__,
        outcome(lambda: get_type_hints(cls.__init__)),
        cls.__match_args__,
        cls.__slots__,
        [(each.name, each.type, each.default, each.init, each.repr, each.compare, each.hash) for each in fields(cls)],
        [getattr(parameters, name) for name in ("init", "repr", "eq", "order", "frozen")],
        cls.__hash__ is None,
        cls.__name__,
        cls.__qualname__,
        cls.__module__,
    )


def behavior_of(cls: Any, module: ModuleType, given: list[Any], named: dict[str, Any], other: list[Any]) -> Any:
    """Return what can be seen of two instances; the errors where there are none."""
    module.__dict__["Made"] = cls  # pickling finds the class there
    first = outcome(lambda: cls(*given, **named))
    second = outcome(lambda: cls(*other))
    if not isinstance(first, cls):
        return first
    state = [outcome(lambda each=each: getattr(first, each.name)) for each in fields(cls)]
    return (
        state,
        outcome(lambda: repr(first)),
        outcome(lambda: first == second),
        outcome(lambda: first == cls(*given, **named)),
        outcome(lambda: hash(first) if cls.__hash__ is not object.__hash__ else "by identity"),
        outcome(lambda: asdict(first)),
        outcome(lambda: repr(replace(first, number=3))),
        outcome(lambda: repr(copy.copy(first))),
        outcome(lambda: repr(copy.deepcopy(first))),
        outcome(lambda: repr(pickle.loads(pickle.dumps(first)))),
        outcome(lambda: pickle.dumps(first)),
        outcome(lambda: setattr(first, "number", 1)),
        outcome(lambda: delattr(first, "number")),
        [outcome(lambda each=each: getattr(first, each.name)) for each in fields(cls)] == state,
    )


@settings(deadline=None, max_examples=60)
@given(shape=SHAPES, values=VALUES, other=VALUES, named=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), max_size=5))
def test_a_record_behaves_as_the_dataclass_of_the_same_text(
    shape: Any, values: list[Any], other: list[Any], named: dict[str, Any]
) -> None:
    module = sys.modules.setdefault("made_of_text", ModuleType("made_of_text"))
    text = text_of(shape)
    expected = outcome(lambda: defined(module, text, lambda **options: dataclass(frozen=True, slots=True, **options)))
    cls = outcome(lambda: defined(module, text, record))
    if not isinstance(expected, type):
        assert cls == expected
        return
    named.pop("self", None)
    assert behavior_of(cls, module, values, named, other) == behavior_of(expected, module, values, named, other)
    assert shape_of(cls) == shape_of(expected)


@record
class Point:
    """A point."""

    x: int
    y: int = 0


@record
class Other:
    """With the same fields."""

    x: int
    y: int = 0


def test_no_method_is_generated_until_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []

    def execute(text: str, *names: Any) -> None:
        texts.extend([text] if "self" in text else [])  # dataclass executes an empty one, too
        exec_(text, *names)

    monkeypatch.setattr("builtins.exec", execute)

    @record
    class Late:
        """Made here."""

        x: int

    assert not texts
    assert Late(1).x == 1
    assert len(texts) == 1
    assert Late(2) != Late(1)
    compared = len(texts)
    assert (repr(Late(3)), hash(Late(3))) == (f"{Late.__qualname__}(x=3)", hash((3,)))
    assert len(texts) == compared


def test_records_of_different_classes_are_never_equal() -> None:
    assert Point(1) != Other(1)
    assert Point(1) == Point(1, 0)


def test_a_dataclass_inherits_from_a_record_and_stays_frozen() -> None:
    @dataclass(frozen=True)
    class Named(Point):
        name: str = ""

    class Plain(Point):
        pass

    named = Named(1, 2, "a")
    assert (named.x, named.y, named.name, replace(named, x=5).x) == (1, 2, "a", 5)
    for each in (named, Plain(1)):
        with pytest.raises(FrozenInstanceError):
            each.x = 3  # type: ignore[misc]
    plain = Plain(1, y=2)
    plain.more = 1  # type: ignore[attr-defined]  # a class without slots of its own takes further attributes
    del plain.more  # type: ignore[attr-defined]
    assert (repr(plain), plain == Plain(1, 2)) == (f"{Plain.__qualname__}(x=1, y=2)", True)


def test_a_subclass_may_call_the_methods_of_a_record_before_any_record_exists() -> None:
    @record
    class Base:
        """Not used yet."""

        x: int

    class Sub(Base):
        def __init__(self) -> None:
            super().__init__(4)

        def __repr__(self) -> str:
            return f"<{super().__repr__()}>"

    assert repr(Sub()) == f"<{Sub.__qualname__}(x=4)>"


def test_a_record_inherits_from_no_dataclass_and_assigns_as_every_record_does() -> None:
    with pytest.raises(TypeError, match="inherits from a dataclass"):

        @record
        class Wrong(Point):
            z: int

    with pytest.raises(TypeError, match="cannot define __setattr__"):

        @record
        class Assigning:
            x: int

            def __setattr__(self, name: str, value: object) -> None: ...


def test_threads_that_use_a_record_first_at_the_same_time_all_make_it() -> None:
    for _ in range(20):

        @record
        class Fresh:
            """Made by several threads."""

            x: int

        start = threading.Barrier(4)
        made: list[Any] = []

        def make(cls: Any = Fresh, start: threading.Barrier = start, made: list[Any] = made) -> None:
            start.wait()
            made.append((cls(1), hash(cls(1))))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert made == [(Fresh(1), hash((1,)))] * 4
