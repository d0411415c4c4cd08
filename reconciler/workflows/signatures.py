"""Who reviewed a plan file: Ed25519 signatures, made and checked by the package `cryptography`. Reads key files.

That package is an extra: `pip install 'reconciler[sign]'`. Keys are PEM files, as `openssl genpkey -algorithm ed25519`
writes them, or OpenSSH's.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, cast

from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from reconciler.model.facts import Json

__all__ = ["Signer", "Verifier"]

_ALGORITHM = "ed25519"
# What is signed begins with what it is, so that no signature of something else serves.
_CONTEXT = b"reconciler plan file\n"
_MAKE_KEYS = "openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub.pem"


class Signer:
    """Signs with a private key. Raises ConfigError where the file is none, or is encrypted."""

    def __init__(self, path: Path) -> None:
        self._key = _private_key(path)

    def sign(self, content: bytes) -> dict[str, Json]:
        """The signature as it stands in a plan file."""
        value = base64.b64encode(self._key.sign(_CONTEXT + content)).decode()
        return {"algorithm": _ALGORITHM, "value": value}


class Verifier:
    """Checks signatures with a public key. Raises ConfigError where the file is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = _public_key(path)

    def require(self, content: bytes, signature: Json) -> None:
        """Returns where the signature is that of `content` with this key. Raises ConfigError."""
        from cryptography.exceptions import InvalidSignature

        if not isinstance(signature, dict):
            raise ConfigError(
                "the plan file is not signed", hint="have it reviewed, and made with `reconciler plan --sign-key KEY`"
            )
        try:
            if signature.keys() != {"algorithm", "value"} or signature["algorithm"] != _ALGORITHM:
                raise ValueError("another algorithm")
            self._key.verify(base64.b64decode(str(signature["value"]), validate=True), _CONTEXT + content)
        except (InvalidSignature, ValueError, binascii.Error) as exc:
            raise ConfigError(
                f"the plan file is not signed with the key of {self._path}, or was changed since it was signed",
                hint="ask who made it; nothing of it was run",
            ) from exc


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    data = _read(path)
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, None)
    except (ValueError, TypeError) as exc:
        raise _no_key(path, "private") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    data = _read(path)
    try:
        key: object = load_ssh_public_key(data) if data.startswith(b"ssh-") else load_pem_public_key(data)
    except ValueError as exc:
        raise _no_key(path, "public") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public")
    return key


def _read(path: Path) -> bytes:
    try:
        import cryptography
    except ImportError as exc:
        raise ConfigError("signatures need the package cryptography", hint="pip install 'reconciler[sign]'") from exc
    assert cast("object", cryptography) is not None
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"the key {path} cannot be read: {exc.strerror}", hint="check the path") from exc


def _no_key(path: Path, kind: str) -> ConfigError:
    return ConfigError(f"{path} is not a {kind} Ed25519 key without a passphrase", hint=f"make one: {_MAKE_KEYS}")
