"""Certificates of one platform: two authorities, one certificate for each part, one for each person asked for.

etcd has its own: with a shared one, any person's certificate would open the database behind the API server.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rehearsal.files import write

# Lifetimes in days. A certificate that ends within RENEW_BEFORE is made anew at the next start.
AUTHORITY_DAYS, LEAF_DAYS, RENEW_BEFORE = 3650, 365, 30


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM files of mode 0600."""

    certificate: Path
    key: Path

    @classmethod
    def at(cls, folder: Path, name: str) -> Pair:
        """Name the two files `name.crt` and `name.key` in a folder."""
        return cls(folder / f"{name}.crt", folder / f"{name}.key")


class Authority:
    """A certificate authority in two files."""

    def __init__(self, folder: Path, name: str) -> None:
        """Load the authority, or make it where it is missing, damaged or about to end.

        Args:
            folder: Where `name.crt` and `name.key` lie.
            name: Its common name, too.
        """
        self.files = Pair.at(folder, name)
        loaded = _load(self.files)
        if loaded is None or not _lasts(loaded[0]):
            loaded = _make_authority(self.files, name)
        self._certificate, self._key = loaded

    def issue(self, pair: Pair, user: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> bool:
        """Make a certificate, unless the files hold one of this authority that says the same and lasts.

        Args:
            pair: The files.
            user: Common name: the user, to Kubernetes.
            groups: Organisations: the user's groups, to Kubernetes.
            hosts: Names and addresses to serve under; none makes a certificate for clients only.

        Returns:
            Whether a new one was made.
        """
        subject = _subject(user, groups)
        loaded = _load(pair)
        names = [_host(name) for name in hosts]
        if loaded and _lasts(loaded[0]) and _says(loaded[0], subject, names) and self._signed(loaded[0]):
            return False
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = (
            _builder(subject, self._certificate.subject, key, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        _store(pair, builder.sign(self._key, hashes.SHA256()), key)
        return True

    def _signed(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True


def signing_key(pair: Pair) -> bool:
    """Make the key pair that signs service account tokens, unless it is there and whole.

    Args:
        pair: `certificate` gets the public key.

    Returns:
        Whether a new one was made; tokens signed by the old one are then void.
    """
    try:
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        serialization.load_pem_public_key(pair.certificate.read_bytes())
    except (OSError, ValueError):
        key = ec.generate_private_key(ec.SECP256R1())
        write(pair.key, _pem(key))
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write(pair.certificate, public)
        return True
    return False


_Key = ec.EllipticCurvePrivateKey


def _make_authority(pair: Pair, name: str) -> tuple[x509.Certificate, _Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name, ())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(subject, subject, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256())
    _store(pair, certificate, key)
    return certificate, key


def _builder(subject: x509.Name, issuer: x509.Name, key: _Key, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Back-dated: a clock that is set back a little must not make the cluster refuse itself.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _says(certificate: x509.Certificate, subject: x509.Name, hosts: Sequence[x509.GeneralName]) -> bool:
    """Return whether a certificate is about a subject and serves under these names, no more and no fewer."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return certificate.subject == subject and not hosts
    return certificate.subject == subject and set(found) == set(hosts)


def _lasts(certificate: x509.Certificate) -> bool:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=RENEW_BEFORE)
    return certificate.not_valid_after_utc > soon


def _load(pair: Pair) -> tuple[x509.Certificate, _Key] | None:
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    except (OSError, ValueError):
        return None
    # A crash between the two writes leaves a new key beside an old certificate.
    if not isinstance(key, _Key) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _store(pair: Pair, certificate: x509.Certificate, key: _Key) -> None:
    write(pair.key, _pem(key))
    write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
