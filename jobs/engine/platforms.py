"""What hosting platforms say in the environment of each process, and the defaults that follow where a setting is not set."""

from __future__ import annotations

from collections.abc import Mapping

# A variable that the platform sets for every process, and the one with the site's public name, where there is one.
PLATFORMS = {
    "DYNO": "HEROKU_APP_DEFAULT_DOMAIN_NAME",  # Heroku, and Dokku
    "RENDER": "RENDER_EXTERNAL_HOSTNAME",
    "RAILWAY_ENVIRONMENT": "RAILWAY_PUBLIC_DOMAIN",
    "FLY_APP_NAME": "",
}
# Where routers have their addresses: networks that no stranger on the internet can send from.
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
           "fc00::/7", "fe80::/10", "::1/128")  # fmt: skip
ANY_HOST = "*"


def with_defaults(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with what is so on every such platform: a router in front, which passes on the names of the site alone."""
    names = [name for name in PLATFORMS if environ.get(name)]
    if not names:
        return environ
    known = [public for name in names if (public := environ.get(PLATFORMS[name], "").strip())]
    hosts = ",".join([*known, ANY_HOST])
    # The certificates of Heroku's Redis are self-signed.
    found = {"HOST": "0.0.0.0", "TRUSTED_PROXIES": "private", "TRUSTED_HOSTS": hosts}  # noqa: S104 (the container's)
    found |= {"REDIS_TLS": "unverified"} if "DYNO" in names else {}
    return {**environ, **{name: value for name, value in found.items() if not environ.get(name, "").strip()}}
