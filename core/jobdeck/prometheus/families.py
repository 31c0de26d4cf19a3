"""Metric families: as Prometheus text, and as the records of its client library.

A queue may have 20,000 samples, which the library takes ten times as long to write as `write_text`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, repeat

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ..model.totals import DurationTotals

_OCTAVES = range(10, 33)
_BOUNDS = [str(2**octave / 1e6) for octave in _OCTAVES]
"""The upper bounds of the buckets in seconds, from a millisecond to over an hour, each twice the one before. They are those of
the kept histograms, so that no count is estimated."""
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Labels = tuple[str, ...]


class Family(ABC):
    """A metric with all its samples."""

    kind: str

    def __init__(self, name: str, help: str, labels: Labels = ()) -> None:
        """Create an empty family.

        Args:
            name: its name.
            help: one sentence.
            labels: the names of its labels.
        """
        self.name = name
        self.help = help
        self.labels = labels

    def text(self) -> str:
        """Return the family in the text format, version 0.0.4."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n{self._samples_text()}"

    @abstractmethod
    def _samples_text(self) -> str: ...

    @abstractmethod
    def metric(self) -> Metric:
        """Return the family as the library has it."""

    @staticmethod
    def _blocks(block: str, names: Labels, samples: Iterable[tuple[Labels, Sequence[float]]]) -> str:
        """Return a block of lines for each of the samples, with its labels and its values."""
        return "".join([_with_labels(block, names, labels) % tuple(values) for labels, values in samples])


class Gauge(Family):
    """A value that rises and falls."""

    kind = "gauge"

    def __init__(self, name: str, help: str, labels: Labels = ()) -> None:
        super().__init__(name, help, labels)
        self._samples: list[tuple[Labels, float]] = []

    def add(self, labels: Labels, value: float) -> None:
        """Add a sample."""
        self._samples.append((labels, value))

    def _samples_text(self) -> str:
        line = f"{self.name}{{LABELS}} %s\n" if self.labels else f"{self.name} %s\n"
        return "".join([_with_labels(line, self.labels, labels) % value for labels, value in self._samples])

    def metric(self) -> Metric:
        metric = GaugeMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in self._samples:
            metric.add_metric(labels, value)
        return metric


class Total(Gauge):
    """A value that only grows."""

    kind = "counter"

    def metric(self) -> Metric:
        metric = CounterMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in self._samples:
            metric.add_metric(labels, value)
        return metric


class Breakdown(Family):
    """Values by a last label that always has the same values, in the same order."""

    def __init__(self, name: str, help: str, labels: Labels, parts: Labels, *, kind: str = "gauge") -> None:
        """Create an empty family.

        Args:
            name: its name.
            help: one sentence.
            labels: the names of its labels.
            parts: the values of the last one.
            kind: `gauge` or `counter`.
        """
        super().__init__(name, help, labels)
        self.kind = kind
        self._parts = parts
        self._samples: list[tuple[Labels, Sequence[float]]] = []

    def add(self, labels: Labels, values: Sequence[float]) -> None:
        """Add the samples for these labels without the last one, a value for each part."""
        self._samples.append((labels, values))

    def _samples_text(self) -> str:
        ends = [f'{self.name}{{LABELS,{self.labels[-1]}="{part}"}} %s\n' for part in self._parts]
        return self._blocks("".join(ends), self.labels[:-1], self._samples)

    def metric(self) -> Metric:
        family = GaugeMetricFamily if self.kind == "gauge" else CounterMetricFamily
        metric = family(self.name, self.help, labels=self.labels)
        for labels, values in self._samples:
            for part, value in zip(self._parts, values, strict=True):
                metric.add_metric((*labels, part), value)
        return metric


class Histogram(Family):
    """Durations by bucket."""

    kind = "histogram"

    def __init__(self, name: str, help: str, labels: Labels = ()) -> None:
        super().__init__(name, help, labels)
        self._samples: list[tuple[Labels, list[int], int, float]] = []

    def add(self, labels: Labels, durations: DurationTotals) -> None:
        """Add a histogram."""
        numbers = durations.octaves
        below = sum(n for octave, n in numbers.items() if octave < _OCTAVES[0])
        cumulated = [*accumulate(map(numbers.get, _OCTAVES[:-1], repeat(0)), initial=below)]
        self._samples.append((labels, cumulated, durations.count, durations.sum))

    def _samples_text(self) -> str:
        name = self.name
        lines = [f'{name}_bucket{{LABELS,le="{bound}"}} %s\n' for bound in (*_BOUNDS, "+Inf")]
        block = "".join([*lines, f"{name}_sum{{LABELS}} %s\n", f"{name}_count{{LABELS}} %s\n"])
        values = ((labels, (*cumulated, count, total, count)) for labels, cumulated, count, total in self._samples)
        return self._blocks(block, self.labels, values)

    def metric(self) -> Metric:
        metric = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for labels, cumulated, count, total in self._samples:
            buckets: Sequence[tuple[str, float]] = [*zip(_BOUNDS, cumulated, strict=True), ("+Inf", count)]
            metric.add_metric(labels, buckets, total)
        return metric


def write_text(families: Iterable[Family]) -> bytes:
    """Return the families in Prometheus' text format, version 0.0.4."""
    return "".join([family.text() for family in families]).encode("utf-8", "backslashreplace")


# Each scrape writes the same labels, and a histogram repeats them in 26 lines.
@lru_cache(maxsize=8192)
def _with_labels(block: str, names: Labels, labels: Labels) -> str:
    """Return the block with the labels in the place of `LABELS`, and with the places for its values."""
    text = ",".join([f'{name}="{_label_value(each)}"' for name, each in zip(names, labels, strict=True)])
    return block.replace("LABELS", text.replace("%", "%%"))


def _label_value(value: str) -> str:
    """Escape a value of a label. Other programs may have stored control characters, which must not reach a terminal."""
    if not value.isprintable():
        value = "".join(sign if sign == "\n" or sign.isprintable() else "\ufffd" for sign in value)
    return value.translate(_ESCAPED)
