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

    def made(name: x509.Name, public: Any, extension: Any, uses: x509.KeyUsage) -> bytes:
        built = x509.CertificateBuilder(issuer, name, public, x509.random_serial_number(), now - day, now + day)
        for each, critical in (  # all that strict clients look for
            (extension, isinstance(extension, x509.BasicConstraints)),
            (uses, True),
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False),
        ):
            built = built.add_extension(each, critical=critical)
        return built.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    anybody = x509.BasicConstraints(ca=True, path_length=None)
    authority.write_bytes(made(issuer, root.public_key(), anybody, _uses("key_cert_sign", "crl_sign")))
    target.write_bytes(private + made(subject, key.public_key(), here, _uses("digital_signature")))


def _uses(*names: str) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in names for name in every})
