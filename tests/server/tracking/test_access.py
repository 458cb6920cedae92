"""Who asks MLflow, out of MLflow's own variables and file; whose certificate is believed."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from mlflow.utils.credentials import read_mlflow_creds

from journeyman.errors import DeniedError, UsageError
from journeyman.tracking.access import certificates, read_credentials
from journeyman.tracking.mlflow_rest import Mlflow

USERNAME, PASSWORD, TOKEN = (f"MLFLOW_TRACKING_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (USERNAME, PASSWORD, TOKEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".mlflow").mkdir()
    return tmp_path


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


FILE = "[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = 100%% secret\n"


@pytest.mark.parametrize(
    ("environ", "file", "asker", "authorization"),
    [
        ({}, "", "anonymous requests", None),
        ({USERNAME: "ada", PASSWORD: "a:b"}, "", "user ada", basic("ada", "a:b")),
        ({}, FILE, "user ada", basic("ada", "100% secret")),
        ({USERNAME: "bob"}, FILE, "user bob", basic("bob", "100% secret")),
        ({USERNAME: "", PASSWORD: "other"}, FILE, "user ada", basic("ada", "other")),
        ({TOKEN: "t"}, "", f"the owner of {TOKEN}", "Bearer t"),
        ({TOKEN: "t"}, FILE, "user ada", basic("ada", "100% secret")),
        ({USERNAME: "ada"}, "", "user ada without a password", None),
        ({}, "[other]\nmlflow_tracking_username = ada\n", "anonymous requests", None),
    ],
)
def test_credentials_are_those_mlflow_itself_would_use(
    environ: Mapping[str, str],
    file: str,
    asker: str,
    authorization: str | None,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (home / ".mlflow" / "credentials").write_text(file)
    found = read_credentials(environ, "http://mlflow.example:5000")
    assert (found.asker, found.authorization) == (asker, authorization)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    of_mlflow = read_mlflow_creds()
    if of_mlflow.username and of_mlflow.password:
        assert authorization == basic(of_mlflow.username, of_mlflow.password)
    assert "secret" not in repr(found) and (authorization or "Basic") not in repr(found)


def test_file_that_cannot_be_read_is_named_and_not_shown(home: Path) -> None:
    path = home / ".mlflow" / "credentials"
    for content in ("[mlflow]\nmlflow_tracking_password = hunter%2\n", "hunter2\n"):
        path.write_text(content)
        with pytest.raises(UsageError) as caught:
            read_credentials({}, "http://mlflow.example:5000")
        assert caught.value.message == f"{path} is no credentials file of MLflow"
        assert "hunter" not in str(caught.value)


class Aliases(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"registered_model": {"aliases": []}}')

    def log_message(self, *_: object) -> None:
        """The tests' output is not the place for it."""


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server behind https, and the certificate it shows, which nobody vouches for."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mlflow")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Aliases) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}", certificate
        server.shutdown()


def test_server_behind_https_is_believed_by_its_certificate(certified: tuple[str, Path]) -> None:
    url, certificate = certified
    with pytest.raises(DeniedError, match="shows a certificate that this machine does not trust"):
        Mlflow(url, {}).aliases("digits")
    for environ in (
        {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(certificate)},
        {"MLFLOW_TRACKING_INSECURE_TLS": "true"},
    ):
        assert Mlflow(url, environ).aliases("digits") == {}


def test_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names .*/none.pem, which cannot be read: No such file"):
        certificates({"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "none.pem")})
    (tmp_path / "empty.pem").touch()
    with pytest.raises(UsageError, match="it holds no certificate"):
        certificates({"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "empty.pem")})
