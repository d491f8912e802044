"""Choose a server from a kubeconfig, and prove who we are, as the official Python client does."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from kubernetes.client.configuration import Configuration
from kubernetes.config import kube_config
from kubernetes.config.config_exception import ConfigException

from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.web import Server, tls

# The package says it is typed, but this module has no annotations.
_library: Any = kube_config


class Access:
    """A server, the namespace of the context that chose it, and our proof of who we are."""

    def __init__(self, configuration: Configuration, namespace: str) -> None:
        hint = "is the cluster started, is the kubeconfig the current one, is the network up?"
        url, files = configuration.host, (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
        trust = tls(*files, verify=configuration.verify_ssl) if url.startswith("https:") else None
        self.server = Server(
            url, "the Kubernetes API server", hint, trust=trust, name_on_certificate=configuration.tls_server_name
        )
        self.namespace = namespace
        self._configuration = configuration
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """The request's authorization header, if the user has a token; one of an exec plugin is renewed in time."""
        with self._lock:
            found: Any = self._configuration.auth_settings().values()
        return {setting["key"]: setting["value"] for setting in found if setting["value"]}


def load(kubeconfig: str | None, context: str | None = None) -> Access:
    """Read the access that a provider's settings choose.

    Args:
        kubeconfig: a path or the text itself; None or empty for the files of KUBECONFIG, else `~/.kube/config`.
        context: name of a context; None for the current one.

    Raises:
        ProviderError: no such file, context, cluster or credentials, or not a kubeconfig.
    """
    # Python's TLS reads certificates from files only; what the kubeconfig holds itself is written for that moment.
    with _explained(), TemporaryDirectory() as folder:
        config = _read(kubeconfig)
        loader = _library.KubeConfigLoader(config, context or None, config_base_path=None, temp_file_path=folder)
        configuration = Configuration()
        loader.load_and_set(configuration)
        chosen = loader.current_context["context"]
        command = _named(config, "users", chosen.get("user")).get("exec")
        if command and not configuration.api_key and not configuration.cert_file:
            # The library has written why to stderr, which the engine shows.
            words, hint = [command["command"], *(command.get("args") or [])], command.get("installHint") or ""
            raise ProviderError(f"the kubeconfig's command gives no credentials; run it to see why: {words} {hint}")
        return Access(configuration, chosen.get("namespace") or "default")


def cluster(kubeconfig: str | None, context: str | None = None) -> dict[str, Any]:
    """The entry of the cluster that a provider's settings choose; arguments and errors as for `load`."""
    with _explained():
        config = _read(kubeconfig)
        chosen = _library.KubeConfigLoader(config, context or None).current_context["context"]
        return _named(config, "clusters", chosen["cluster"])


def _read(kubeconfig: str | None) -> Any:
    if kubeconfig and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        content = _library.KubeConfigMerger(io.StringIO(kubeconfig)).config
        return _library.ConfigNode("the provider's kubeconfig", content)
    path = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    merged = _library.KubeConfigMerger(path).config
    if merged is None:
        raise ProviderError(f"there is no kubeconfig at {path}")
    return merged


def _named(config: Any, section: str, name: str | None) -> dict[str, Any]:
    found = config[section].get_with_name(name, safe=True) if name and config.safe_get(section) else None
    return dict(found[section.removesuffix("s")].value) if found else {}


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (ConfigException, OSError) as error:
        raise ProviderError(str(error)) from error
    except (yaml.YAMLError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Not quoted: the text around a mistake may be a token.
        raise ProviderError("the kubeconfig is not of the form that kubectl reads") from error
