"""What follows from where a process runs, if its settings say nothing."""

from __future__ import annotations

import pytest

from jobs.engine.errors import SettingsError
from jobs.engine.settings import read


def test_without_a_platform_nothing_follows() -> None:
    chosen = read({})
    assert (chosen.host, chosen.trusted_proxies, chosen.trusted_hosts) == ("127.0.0.1", (), ())


@pytest.mark.parametrize("name", ["DYNO", "RENDER", "RAILWAY_ENVIRONMENT", "FLY_APP_NAME"])
def test_on_a_platform_others_reach_the_site_through_a_router(name: str) -> None:
    chosen = read({name: "web.1"})
    assert chosen.host == "0.0.0.0"
    assert "10.0.0.0/8" in chosen.trusted_proxies
    assert chosen.trusted_hosts == ("*",)
    assert not chosen.this_machine_only


def test_what_is_set_counts_more() -> None:
    chosen = read({"DYNO": "web.1", "HOST": "::", "TRUSTED_PROXIES": "10.1.2.3", "TRUSTED_HOSTS": "site.example"})
    assert (chosen.host, chosen.trusted_proxies, chosen.trusted_hosts) == ("::", ("10.1.2.3/32",), ("site.example",))


def test_the_public_name_is_taken_from_the_platform() -> None:
    chosen = read({"RENDER": "true", "RENDER_EXTERNAL_HOSTNAME": "site.onrender.com"})
    assert chosen.public_name == "site.onrender.com"
    assert read({"DYNO": "web.1"}).public_name == ""


def test_a_network_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES has 'router'"):
        read({"TRUSTED_PROXIES": "private, router"})
