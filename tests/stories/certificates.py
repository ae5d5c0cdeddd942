"""Certificates for servers of a test, signed by an authority of the test's own."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certify(address: str, target: Path, authority: Path) -> None:
    """A certificate with its key for an address, and the authority of this test's own that signed it."""
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("ours", "services"))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])

    def made(name: x509.Name, public: Any, extension: Any, critical: bool) -> bytes:
        built = x509.CertificateBuilder(issuer, name, public, x509.random_serial_number(), now - day, now + day)
        signed = built.add_extension(extension, critical=critical).sign(root, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority.write_bytes(made(issuer, root.public_key(), x509.BasicConstraints(ca=True, path_length=None), True))
    target.write_bytes(private + made(subject, key.public_key(), here, False))
