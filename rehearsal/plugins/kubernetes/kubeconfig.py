"""Read a kubeconfig: which server, and the credentials for it.

The `kubernetes` package reads these too, but importing it takes 0.5 s, for a client of 700 generated modules; only its
exec plugins are used, by those who have them.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

# Credentials are renewed this long before they end, so that none ends while a request is on its way.
RENEW_SECONDS = 60


class KubernetesError(Exception):
    """What keeps the provider from its work; the message is for a person."""


class ConfigError(KubernetesError):
    """A kubeconfig that can't be used; the message says why and what to do."""


@dataclass
class Access:
    """One server and how to prove who we are.

    `server` is a URL. Certificates and keys are paths of PEM files or None. `namespace` is the context's.
    """

    server: str
    namespace: str
    cluster: dict[str, Any]
    user: dict[str, Any] = field(repr=False)
    folder: Path = Path()
    _issued: tuple[float, dict[str, Any]] | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def authority(self) -> str | None:
        """PEM text of the certificate authority, or None for the system's."""
        return self._pem(self.cluster, "certificate-authority")

    @property
    def verify(self) -> bool:
        """Whether the server's certificate is checked."""
        return not self.cluster.get("insecure-skip-tls-verify", False)

    def certificate(self) -> tuple[str, str] | None:
        """PEM texts of the client's certificate and key, or None without."""
        issued = self._from_plugin()
        if "clientCertificateData" in issued:
            return issued["clientCertificateData"], issued["clientKeyData"]
        certificate, key = self._pem(self.user, "client-certificate"), self._pem(self.user, "client-key")
        return (certificate, key) if certificate and key else None

    def headers(self) -> dict[str, str]:
        """The request's authorization header, if the user has a token.

        Raises:
            ConfigError: the exec plugin failed.
        """
        token = self._from_plugin().get("token") or self.user.get("token")
        if not token and "tokenFile" in self.user:
            # Read at each request: a pod's token is rotated on disk.
            token = (self.folder / self.user["tokenFile"]).read_text().strip()
        if token:
            return {"Authorization": f"Bearer {token}"}
        return {}

    def _pem(self, holder: dict[str, Any], name: str) -> str | None:
        if data := holder.get(f"{name}-data"):
            return base64.b64decode(data).decode()
        if path := holder.get(name):
            try:
                return Path(self.folder, path).read_text()
            except OSError as error:
                raise ConfigError(f"the kubeconfig's {name} {path} can't be read: {error.strerror}") from error
        return None

    def _from_plugin(self) -> dict[str, Any]:
        """Credentials of the user's exec plugin (client.authentication.k8s.io), kept until they end."""
        if "exec" not in self.user:
            return {}
        with self._lock:
            if self._issued is None or time.time() > self._issued[0] - RENEW_SECONDS:
                self._issued = _run_plugin(self.user["exec"], self.folder)
            return self._issued[1]


def _run_plugin(settings: dict[str, Any], folder: Path) -> tuple[float, dict[str, Any]]:
    # Imported by those whose kubeconfig has a plugin, who wait 0.5 s for it; the package carries no types.
    runner: Any = import_module("kubernetes.config.exec_provider")
    nodes: Any = import_module("kubernetes.config.kube_config")
    try:
        status = dict(runner.ExecProvider(nodes.ConfigNode("exec", settings), str(folder)).run())
    except (nodes.ConfigException, OSError) as error:
        hint = settings.get("installHint", "")
        raise ConfigError(f"the kubeconfig's exec plugin {settings['command']} failed: {error}. {hint}") from error
    ends = status.get("expirationTimestamp")
    return (datetime.fromisoformat(ends).timestamp() if ends else float("inf")), status


def load(path_or_content: str | None, context: str | None = None, cluster: str | None = None) -> Access:
    """Read the access that a provider's settings choose.

    Args:
        path_or_content: a kubeconfig's path or its text; None or empty for the files of KUBECONFIG, else
            `~/.kube/config`.
        context: name of a context; None for the current one.
        cluster: name of a cluster, instead of the context's.

    Raises:
        ConfigError: no such file, context, cluster or user, or not a kubeconfig.
    """
    config, folder, source = _read(path_or_content)
    name = context or config.get("current-context")
    if not name:
        raise ConfigError(f"{source} has no current context: choose one of {_names(config, 'contexts')}")
    chosen = _named(config, "contexts", "context", name, source)
    found = _named(config, "clusters", "cluster", cluster or chosen.get("cluster", ""), source)
    user = _named(config, "users", "user", chosen["user"], source) if chosen.get("user") else {}
    if not found.get("server"):
        raise ConfigError(f"{source}: the cluster of context {name} has no server")
    return Access(found["server"].rstrip("/"), chosen.get("namespace") or "default", found, user, folder)


def _read(path_or_content: str | None) -> tuple[dict[str, Any], Path, str]:
    if path_or_content and ("\n" in path_or_content or path_or_content.lstrip().startswith("{")):
        return _parse(path_or_content, "the provider's kubeconfig"), Path(), "the provider's kubeconfig"
    listed = path_or_content or os.environ.get("KUBECONFIG") or "~/.kube/config"
    # KUBECONFIG may list several; the first that exists holds the current context, as a rule all of it.
    for name in listed.split(os.pathsep):
        path = Path(name).expanduser()
        if path.is_file():
            return _parse(path.read_text(), str(path)), path.parent.absolute(), str(path)
    raise ConfigError(f"there is no kubeconfig at {listed}")


def _parse(text: str, source: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(text, Loader=loader)  # noqa: S506 - both loaders are the safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{source} is no YAML" + (f" (line {mark.line + 1})" if mark else "")) from error
    if not isinstance(config, dict) or "clusters" not in config:
        raise ConfigError(f"{source} is no kubeconfig: it names no clusters")
    return config


def _names(config: dict[str, Any], section: str) -> str:
    return ", ".join(str(entry.get("name")) for entry in config.get(section) or []) or "none"


def _named(config: dict[str, Any], section: str, key: str, name: str, source: str) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return entry.get(key) or {}
    raise ConfigError(f"{source} has no {key} {name}; there are {_names(config, section)}")
