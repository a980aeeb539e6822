"""A certificate for a simulator that speaks https: signed by nobody, valid for this machine's names."""

from __future__ import annotations

import atexit
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


def tls_context() -> tuple[ssl.SSLContext, Path]:
    """Make a certificate and the context of a server that has it.

    Returns:
        The context, and the certificate's file, for clients that are to trust it (REQUESTS_CA_BUNDLE).

    Raises:
        ValueError: there is no openssl on this machine; Python itself makes no certificates.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise ValueError("--tls needs the program openssl, which is not installed")
    directory = Path(tempfile.mkdtemp(prefix="almajob-simulator-"))
    directory.chmod(0o700)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    made = subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-addext", _NAMES),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        umask=0o077,
    )
    if made.returncode:
        raise ValueError(f"--tls: openssl made no certificate (exit code {made.returncode})")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
