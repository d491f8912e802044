"""Who vouches for what is stated: DSSE envelopes, by keys from files or a cloud's key service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrarium.errors import InvalidInput, Refused
from terrarium.images.statements import MEDIA_TYPE as STATEMENT

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
KEY_VARIABLE = "TERRARIUM_SIGN_KEY"
PUBLIC_VARIABLE = "TERRARIUM_SIGN_PUBLIC"
_KMS = ("awskms:", "azurekms:", "gcpkms:", "hv:", "hsm:")


def signer(key: str, public: str | None) -> Signer:
    """Return who signs.

    Args:
        key: The file of a private key (PEM), or the address of one that leaves its service never: `awskms:…`,
            `gcpkms:…`, `azurekms:…`, `hv:…` (HashiCorp Vault), `hsm:…`.
        public: For such a service: the file of its public key (PEM).

    Raises:
        InvalidInput: There is no such key, or it can't sign.
    """
    # 0.1 s: imported only where something is signed.
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - 0.1 s, where something is signed
    from securesystemslib.signer import CryptoSigner, Signer  # noqa: PLC0415 - as above

    if key.startswith(_KMS):
        if not public:
            raise InvalidInput(f"the key {key} stays where it is: name its public key too (--sign-public, PEM)")
        beside = _public(_text(public))
        try:
            return Signer.from_priv_key_uri(key, beside)
        except Exception as error:  # noqa: BLE001 - each service's SDK has its own
            raise InvalidInput(f"the key {key} can't be used: {type(error).__name__}") from None
    text = _text(key.removeprefix("file:"))
    try:
        return CryptoSigner(load_pem_private_key(text.encode(), None))
    except TypeError:
        raise InvalidInput(f"the key {key} is encrypted: decrypt it for the build, or use a key service") from None
    except Exception:  # noqa: BLE001 - whatever it says may quote the key
        raise InvalidInput(f"{key} is no private key in PEM that can sign: Ed25519, ECDSA or RSA") from None


def seal(statement: bytes, by: Signer) -> bytes:
    """Return a signed envelope.

    Raises:
        Refused: The key's service does not sign.
    """
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - see signer

    envelope = Envelope(statement, STATEMENT, {})
    try:
        envelope.sign(by)
    except Exception as error:  # noqa: BLE001 - each service's SDK has its own
        raise Refused(f"the statement could not be signed: {type(error).__name__}") from None
    return json.dumps(envelope.to_dict(), sort_keys=True).encode()


def opened(data: bytes, keys: Mapping[str, str]) -> tuple[dict[str, Any], str | None]:
    """Return what an envelope, or a bare statement, says, and the name of who signed it.

    Args:
        data: An envelope, or a statement that nobody signed.
        keys: Public keys (PEM) of those who count, by name.

    Raises:
        ValueError: It is neither.
    """
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - see signer
    from securesystemslib.exceptions import VerificationError  # noqa: PLC0415 - as above

    told = json.loads(data)
    if not isinstance(told, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - what is read is wrong, not a type of ours
    if "payload" not in told:
        return told, None
    try:
        envelope = Envelope.from_dict(told)
        statement = json.loads(envelope.payload)
    except (KeyError, TypeError) as error:
        raise ValueError(f"is no envelope: {error}") from None
    if envelope.payload_type != STATEMENT:
        raise ValueError(f"holds {envelope.payload_type}, not {STATEMENT}")
    for name, pem in keys.items():
        try:
            envelope.verify([_public(pem)], 1)
        except VerificationError:
            continue
        return statement, name
    return statement, None


def identity(by: Signer | None) -> str:
    """Return what tells a key from others; empty if nobody signs."""
    return str(by.public_key.keyid) if by else ""


def _public(pem: str) -> Key:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - see signer
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415 - as above

    try:
        return SSlibKey.from_crypto(load_pem_public_key(pem.encode()))
    except ValueError:
        raise InvalidInput("a signer's public key is no PEM of an Ed25519, ECDSA or RSA key") from None


def _text(name: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        # Not quoted: what is no file's path may be the key itself.
        raise InvalidInput(
            f"the key can't be read ({type(error).__name__}): give a file's path, or an address in a key service, not "
            f"the key itself (--sign-key or {KEY_VARIABLE}, --sign-public or {PUBLIC_VARIABLE})"
        ) from None
