"""Ready-made files for Grafana and Prometheus."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def read_dashboard() -> str:
    """Return the dashboard for Grafana, as JSON to import."""
    return (_FOLDER / "dashboard.json").read_text("utf-8")


def read_alert_rules() -> str:
    """Return the alert rules for Prometheus, as YAML."""
    return (_FOLDER / "alerts.yml").read_text("utf-8")
