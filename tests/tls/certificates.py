#!/usr/bin/env python3
"""Makes certificates for tests in FOLDER: `authority.pem`, and NAME.pem with NAME.key for each NAME.

good and renewed are for 127.0.0.1 and localhost, issued by the authority; elsewhere is for another name; expired was, and future will be valid;
own is issued by nobody but itself; root is the same, and may issue others.
"""

import datetime
import ipaddress
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HERE = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, is_authority, names=HERE, first=NOW - DAY, last=NOW + 2 * DAY):
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    builder = builder.add_extension(x509.BasicConstraints(is_authority, None), True)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def write(folder, file, content, mode=0o644):
    with open(os.open(os.path.join(folder, file), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
        out.write(content)


def main(folder):
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = certificate("authority", authority_key, "authority", authority_key, True)
    write(folder, "authority.pem", authority)
    for subject, how in {
        "good": {},
        "renewed": {},
        "elsewhere": {"names": [x509.DNSName("elsewhere.example")]},
        "expired": {"first": NOW - 2 * DAY, "last": NOW - DAY},
        "future": {"first": NOW + DAY},
        "own": {},
        "root": {},
    }.items():
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, issuer_key = (subject, key) if subject in ("own", "root") else ("authority", authority_key)
        write(folder, f"{subject}.pem", certificate(subject, key, issuer, issuer_key, subject == "root", **how))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write(folder, f"{subject}.key", private, 0o600)


main(sys.argv[1])
