"""What is in deploy/ parses, and names only commands, settings and metrics that there are."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs import __main__ as jobs_command
from jobs import __version__
from jobs.engine import settings
from webapp import metrics

CODE = Path(__file__).parents[1]
DEPLOY = CODE / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
OTHERS_VARIABLES = {"POSTGRES_USER", "POSTGRES_PASSWORD", "PYTHONUNBUFFERED"}


def known(name: str) -> bool:
    return f'"{name}"' in Path(settings.__file__).read_text()


def documents() -> list[dict[str, Any]]:
    return [one for path in KUBERNETES for one in yaml.safe_load_all(path.read_text())]


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def unit(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text())
    return dict(parser["Service"])


def commands() -> Iterator[list[str]]:
    """Every command line that something here would start."""
    yield from (shlex.split(unit(path)["ExecStart"]) for path in UNITS)
    yield from (service["command"] for service in compose()["services"].values() if "command" in service)
    for document in documents():
        for container in containers(document):
            if "command" in container:
                yield container["command"]
    yield json.loads(re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.M)[0])


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])


def variables() -> Iterator[str]:
    for line in (DEPLOY / "systemd" / "legwork.env").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.partition("=")[0]
    for service in compose()["services"].values():
        yield from service.get("environment", {})
    for document in documents():
        if document["kind"] in ("ConfigMap", "Secret"):
            yield from document.get("data", {}) | document.get("stringData", {})
    yield from re.findall(r"\b([A-Z_]+)=", re.findall(r"^ENV (.*)$", (DEPLOY / "Dockerfile").read_text(), re.M)[0])
    yield from json.loads((CODE / "app.json").read_text())["env"]


def expressions() -> Iterator[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text())
    yield from (rule["expr"] for group in rules["groups"] for rule in group["rules"])
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    for document in documents():
        for trigger in document.get("spec", {}).get("triggers", []):
            yield trigger["metadata"]["query"]


def test_every_variable_is_a_setting() -> None:
    named = set(variables())
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"} <= named
    assert [name for name in sorted(named - OTHERS_VARIABLES) if not known(name)] == []


def test_every_command_is_one_of_ours_with_options_that_it_takes() -> None:
    ours = [line[line.index("jobs") + 1 :] for line in commands() if line[1:3] == ["-m", "jobs"]]
    assert {line[0] for line in ours} == {"migrate", "worker"}
    for line in ours:
        jobs_command._bounds(parsed) if (
            parsed := jobs_command._parser().parse_args(line)
        ).command == "worker" else None
    web = [line[-3:] for line in commands() if line[0].endswith("gunicorn")]
    assert web == [["--config", "webapp/gunicorn.py", "webapp.wsgi:app"]] * 2
    assert (CODE / "Procfile").read_text().count(" ".join(web[0])) == 1


def test_every_metric_is_told() -> None:
    told = set(re.findall(r'"(legwork_\w+)"', Path(metrics.__file__).read_text()))
    named = {name for expression in expressions() for name in re.findall(r"\blegwork_\w+", expression)}
    assert len(named) > 8
    assert named <= told


def test_every_alert_says_what_and_what_to_do() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 4
    assert all(rule["annotations"]["summary"] and rule["annotations"]["description"] for rule in rules)


def test_manifests_belong_together() -> None:
    names = {(one["kind"], one["metadata"]["name"]) for one in documents()}
    for document in documents():
        for container in containers(document):
            assert container["image"] == f"legwork:{__version__}"
            for source in container["envFrom"]:
                ((kind, target),) = source.items()
                assert ({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], target["name"]) in names
        if document["kind"] == "ScaledObject":
            assert ("Deployment", document["spec"]["scaleTargetRef"]["name"]) in names
    probes = [
        container["readinessProbe"]
        for one in documents()
        for container in containers(one)
        if "readinessProbe" in container
    ]
    assert [probe["httpGet"]["path"] for probe in probes] == ["/readyz"]


def test_the_services_of_compose_belong_together() -> None:
    services, volumes = compose()["services"], compose()["volumes"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(volumes)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_need_only_units_that_are_there(path: Path) -> None:
    named = set(re.findall(r"\blegwork-\w+\.service\b", path.read_text()))
    assert named <= {unit.name for unit in UNITS}
    assert unit(path)["EnvironmentFile"] == "/etc/legwork.env"


def test_the_image_has_what_the_makefile_installs() -> None:
    dockerfile, makefile = (DEPLOY / "Dockerfile").read_text(), (CODE / "Makefile").read_text()
    models = re.findall(r"^MODELS := (.*)$", makefile, re.M)[0]
    assert f'ARG MODELS="{models}"' in dockerfile
    copied = re.findall(r"^COPY (.+) \S+$", dockerfile, re.M)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for source in " ".join(copied).split():
        assert (CODE / source).exists(), source
        assert f"!{source}" in ignored
