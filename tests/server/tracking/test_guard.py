"""The guard on real connections: other users, ends that close at once, MLflow's server, clients and pages."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvicorn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.cluster.local.parts import DEFAULT_PORTS, HttpProbe, Machine, stack_parts
from journeyman.cluster.local.plan import Plan, write_plan
from journeyman.cluster.local.supervisor import Supervisor
from journeyman.cluster.ray_rest import Ray
from journeyman.cluster.settings import write_token
from journeyman.errors import DeniedError, UnreachableError
from journeyman.home import make_mlflow_token, mlflow_token_file, read_mlflow_token
from journeyman.sockets import NOBODY as NOBODY_LISTENS
from journeyman.sockets import Told, ask_kernel, read_tables, uid_of_listener, uid_of_peer
from journeyman.tracking.guard.entrance import entrance_url
from journeyman.tracking.guard.guard import ENTRANCE, Guard, Message, Receive, Scope, Send
from journeyman.tracking.mlflow_rest import Mlflow, page_url

LIMIT_S = 120.0
NOBODY = 65534
SOMEBODY = 12345
CLOSE_WAIT, CLOSED = b"\x08", b"\x07"
as_root = pytest.mark.skipif(os.getuid() != 0, reason="root alone can be another user")

CHILD = """
import http.client, json, os, socket, struct, sys, time
import encodings.idna
uid, port = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([]); os.setgid(uid); os.setuid(uid)
"""
ASKS = """
method, path, headers, body = json.loads(sys.argv[3])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
connection.request(method, path, body, headers)
answer = connection.getresponse()
told = {"status": answer.status, "headers": dict(answer.getheaders()), "text": answer.read().decode()}
print(json.dumps(told))
"""
CLOSES_AT_ONCE = """
body = json.dumps({"name": sys.argv[3]})
head = f"POST /api/2.0/mlflow/experiments/create HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n"
head += f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
senders = [socket.socket() for _ in range(100)]
for sender in senders:
    sender.connect(("127.0.0.1", port))
for sender in senders:
    sender.sendall((head + body).encode())
for number, sender in enumerate(senders):
    if number % 2:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sender.close()
"""
NOTES = """
listener = socket.create_server(("127.0.0.1", port))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(30)
        print(json.dumps(connection.recv(65536).decode()), flush=True)
        connection.sendall(b"HTTP/1.1 403 Forbidden\\r\\nConnection: close\\r\\n\\r\\n{}")
"""


def as_user(uid: int, code: str, port: int, *arguments: str) -> str:
    """What a program of another user prints: what it needs it has imported before it became that user's."""
    command = [sys.executable, "-c", CHILD + code, str(uid), str(port), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refuse(peer: tuple[str, int], own: tuple[str, int]) -> Told | None:
    raise OSError(93, "Protocol not supported")


class Answer:
    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.text = text


def ask_as(
    uid: int,
    port: int,
    path: str,
    headers: dict[str, str] | None = None,
    method: str = "GET",
    body: str | None = None,
) -> Answer:
    request = json.dumps([method, path, headers or {}, body])
    return Answer(**json.loads(as_user(uid, ASKS, port, request)))


# -- the kernel's word, on any server ------------------------------------------------------------------


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return
    told: list[Message] = [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]},
        {"type": "http.response.body", "body": b"hello"},
    ]
    for message in told:
        await send(message)


@contextmanager
def guarded(owner: int, host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server behind the guard of that owner."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        if ":" in host:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, 0))
        listener.listen()
        guard = Guard(hello, owner=owner, token=None)
        # As the stack has it: with the headers of proxies MLflow's server would believe anybody.
        config = uvicorn.Config(guard, log_level="warning", lifespan="off", proxy_headers=True)
        server = uvicorn.Server(config)
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        serving.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            serving.join()


def test_process_of_another_user_than_the_owner_is_refused_on_each_request_of_a_connection() -> None:
    # Whoever runs the tests is no owner here; root would be let in as root.
    if os.getuid() == 0:
        pytest.skip("root is let in everywhere; the test below has other users")
    with guarded(os.getuid() + 1) as port, httpx.Client() as http:
        assert [http.get(f"http://127.0.0.1:{port}/").status_code for _ in range(2)] == [403, 403]


@as_root
def test_users_are_told_apart_whatever_they_say_of_themselves() -> None:
    with guarded(SOMEBODY) as port:
        own = httpx.get(f"http://127.0.0.1:{port}/")
        assert (own.status_code, own.text) == (200, "hello")  # As root.
        assert ask_as(SOMEBODY, port, "/").status == 200
        assert ask_as(NOBODY, port, "/").status == 403
        with socket.create_connection(("127.0.0.1", port)) as open_one:
            open_one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert open_one.recv(12) == b"HTTP/1.1 200"
            # The address of a connection that is let in, and root's.
            theirs = "{}:{}".format(*open_one.getsockname())
            assert ask_as(NOBODY, port, "/", {"X-Forwarded-For": theirs}).status == 403


@as_root
@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_sockets_of_ipv6_that_speak_ipv4_are_told_apart_too(host: str) -> None:
    mapped = """
connection = socket.socket(socket.AF_INET6)
connection.connect(("::ffff:127.0.0.1", port))
connection.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(connection.recv(12).decode())
"""
    with guarded(SOMEBODY, host) as port:
        assert as_user(SOMEBODY, mapped, port) == "HTTP/1.1 200\n"
        assert as_user(NOBODY, mapped, port) == "HTTP/1.1 403\n"


@pytest.mark.parametrize("look", [ask_kernel, read_tables])
@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.1")],
)
def test_kernel_tells_of_the_one_socket_in_either_way(
    look: Callable[[tuple[str, int], tuple[str, int]], Told | None], family: int, address: str
) -> None:
    with socket.socket(family) as listener, socket.socket(family) as client:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, 0))
        listener.listen()
        own = listener.getsockname()[:2]
        client.connect(own)
        peer = client.getsockname()[:2]
        with listener.accept()[0] as server:
            assert look(peer, own) == (1, os.getuid(), os.fstat(client.fileno()).st_ino)
            assert look(own, peer) == (1, os.getuid(), os.fstat(server.fileno()).st_ino)
        # What listens there is no end of a connection.
        told = look(own, ("127.0.0.1", 1))
        assert told is None or told.owner is None
        assert look(("127.0.0.1", 1), own) is None


def test_where_the_kernel_cannot_be_asked_for_one_socket_its_tables_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("journeyman.sockets.ask_kernel", refuse)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as server,
    ):
        assert uid_of_peer(server) == os.getuid()


@as_root
def test_end_that_closed_belongs_to_nobody_whatever_number_the_kernel_writes() -> None:
    closes = """
connection = socket.socket()
connection.connect(("127.0.0.1", port))
connection.sendall(b"x")
sys.stdin.readline()
connection.close()
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        command = [sys.executable, "-c", CHILD + closes, str(SOMEBODY), port]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            connection, _ = listener.accept()
            with connection:
                assert uid_of_peer(connection) == SOMEBODY
                child.communicate(b"\n")
                deadline = time.monotonic() + LIMIT_S
                while connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != CLOSE_WAIT:
                    assert time.monotonic() < deadline
                assert uid_of_peer(connection) is None


def test_other_end_is_told_while_ours_is_open_alone() -> None:
    class Reset:
        """Was reset amid the look, and the same addresses are another connection's."""

        def __init__(self, connection: socket.socket) -> None:
            self._connection = connection

        def getpeername(self) -> tuple[str, int]:
            return self._connection.getpeername()  # type: ignore[no-any-return]

        def getsockname(self) -> tuple[str, int]:
            return self._connection.getsockname()  # type: ignore[no-any-return]

        def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
            return CLOSED

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as server,
    ):
        assert uid_of_peer(server) == uid_of_peer(client) == os.getuid()
        assert uid_of_peer(Reset(server)) is None


# -- MLflow's own server, as the stack starts it -------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for folder in ("logs", "mlflow/artifacts"):
        (home / folder).mkdir(parents=True)
    make_mlflow_token(home)
    return home


@pytest.fixture(scope="module")
def port(home: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    ports = DEFAULT_PORTS | {"mlflow": port}
    machine = Machine(python=Path(sys.executable), logical_cpus=8, fast_ingress=True)
    part = stack_parts(home=home, stack="guard", ports=ports, machine=machine, environ=os.environ)["mlflow"]
    write_plan(home, Plan(cluster="guard", ports=ports), running=True)
    with part.log.open("wb") as log:
        server = subprocess.Popen(
            part.command,
            env=dict(part.environment),
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + LIMIT_S
        while not _answers(port):
            assert server.poll() is None and time.monotonic() < deadline, part.log.read_text()
            time.sleep(0.2)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").text == "OK"
    except httpx.HTTPError:
        return False


@pytest.fixture
def own(home: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the server, for a process of its owner."""
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    return f"http://127.0.0.1:{port}"


def test_owner_works_with_it_as_ever(own: str, tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri=own, registry_uri=own)
    run_id = client.create_run("0").info.run_id
    (tmp_path / "note.txt").write_text("kept")
    client.log_artifact(run_id, str(tmp_path / "note.txt"))
    assert [file.path for file in client.list_artifacts(run_id)] == ["note.txt"]
    listed = subprocess.run(
        [sys.executable, "-m", "mlflow", "experiments", "search"],
        env=os.environ | {"MLFLOW_TRACKING_URI": own},
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Default" in listed.stdout, listed.stderr
    assert "<title>MLflow</title>" in httpx.get(own).text


def test_hosts_that_are_not_this_machine_are_refused_by_mlflow(own: str) -> None:
    path = f"{own}/api/2.0/mlflow/experiments/get?experiment_id=0"
    # A page of such a host, whose name leads to 127.0.0.1, would ask as its owner's browser.
    for host in ("evil.example", "10.evil.example", "192.168.evil.example:5000", "127.0.0.1.evil.example"):
        answer = httpx.get(path, headers={"Host": host})
        assert (answer.status_code, "Invalid Host header" in answer.text) == (403, True), host
    assert httpx.get(path, headers={"Host": "localhost:8080"}).status_code == 200


@as_root
def test_second_user_reads_and_writes_nothing(own: str, port: int) -> None:
    for path in ("/", "/health", "/version", "/api/2.0/mlflow/experiments/get?experiment_id=0"):
        told = ask_as(NOBODY, port, path)
        assert (told.status, json.loads(told.text)["error_code"]) == (403, "PERMISSION_DENIED"), path
    create = ("/api/2.0/mlflow/experiments/create", {"Content-Type": "application/json"}, "POST")
    assert ask_as(NOBODY, port, *create, json.dumps({"name": "theirs"})).status == 403
    # Of an end that has closed the kernel tells root's number, sooner or later.
    for number in range(5):
        as_user(NOBODY, CLOSES_AT_ONCE, port, f"theirs-{number}")
    assert ask_as(SOMEBODY, port, *create, json.dumps({"name": "theirs"})).status == 403
    assert ask_as(0, port, *create, json.dumps({"name": "root's"})).status == 200
    names = {each.name for each in MlflowClient(tracking_uri=own).search_experiments()}
    assert {name for name in names if name.startswith("theirs")} == set()
    assert "root's" in names


@as_root
def test_token_lets_in_whom_the_kernel_does_not_tell_and_a_browser_by_its_code(
    own: str, home: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = read_mlflow_token(home) or ""
    assert ask_as(NOBODY, port, "/version", {"Authorization": f"Bearer {token}"}).status == 200
    # As where the kernel tells nothing, the server asks this very process for a token.
    monkeypatch.setattr("journeyman.tracking.guard.entrance.asks_for_token", lambda mlflow: True)
    page = entrance_url(page_url(own, "experiments"), os.environ)
    address, _, fragment = page.partition("#")
    assert fragment == "/experiments?workflowType=machine_learning"
    assert address.startswith(f"{own}{ENTRANCE}?code=")
    entered = ask_as(NOBODY, port, address.removeprefix(own))
    assert (entered.status, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].split(";")[0]
    assert "<title>MLflow</title>" in ask_as(NOBODY, port, "/", {"Cookie": cookie}).text
    search = (
        "/ajax-api/2.0/mlflow/experiments/search",
        {"Cookie": cookie, "Content-Type": "application/json"},
    )
    assert ask_as(NOBODY, port, *search, "POST", '{"max_results": 10}').status == 200
    evil = search[1] | {"Origin": "http://127.0.0.1:6666"}
    assert ask_as(NOBODY, port, search[0], evil, "POST", '{"max_results": 10}').status == 403
    assert ask_as(NOBODY, port, address.removeprefix(own)).status == 403


def test_owner_is_asked_for_no_token_where_the_kernel_tells(own: str) -> None:
    page = page_url(own, "experiments")
    assert entrance_url(page, os.environ) == page


# -- who sends the token -------------------------------------------------------------------------------


@pytest.fixture
def noted() -> Iterator[tuple[Callable[[], str], list[str | None]]]:
    """Starts servers that note who asks; what they noted, in order."""
    seen: list[str | None] = []
    servers: list[ThreadingHTTPServer] = []

    class Notes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append(self.headers.get("Authorization"))
            body = b"{}"
            self.send_response(403 if self.path == "/version" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    def server() -> str:
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Notes))
        threading.Thread(target=servers[-1].serve_forever).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield server, seen
    for each in servers:
        each.shutdown()
        each.server_close()


def test_token_is_sent_to_the_stacks_own_server_and_to_no_other(
    noted: tuple[Callable[[], str], list[str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, seen = noted
    own, other = server(), server()
    make_mlflow_token(tmp_path)
    token = read_mlflow_token(tmp_path)
    ports = DEFAULT_PORTS | {"mlflow": int(own.rpartition(":")[2])}
    write_plan(tmp_path, Plan(cluster="c", ports=ports), running=True)
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path))
    # What somebody set for another server.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)

    for url in (own, other):
        mlflow = Mlflow(url, os.environ)
        mlflow.experiments()
        mlflow.close()
    assert seen == [f"Bearer {token}", None]
    seen.clear()
    # MLflow's client: two in one process, of which the process-wide address is one's.
    for url in (own, other, own):
        MlflowClient(tracking_uri=url, registry_uri=url).search_experiments()
    assert seen == [f"Bearer {token}", None, f"Bearer {token}"]
    seen.clear()
    for url in (own, other):
        MlflowClient(tracking_uri=url, registry_uri=url).search_registered_models()
    assert seen == [f"Bearer {token}", None]
    # A stack that is down has an address that may be anybody's.
    write_plan(tmp_path, Plan(cluster="c", ports=ports), running=False)
    seen.clear()
    MlflowClient(tracking_uri=own, registry_uri=own).search_experiments()
    assert seen == [None]


@contextmanager
def listening_as(uid: int) -> Iterator[tuple[int, Callable[[], list[str]]]]:
    """The port of a program of that user, which wants a token of everybody; what it got."""
    command = [sys.executable, "-c", CHILD + NOTES, str(uid), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())

        def end() -> list[str]:
            child.kill()
            assert child.stdout is not None
            return [json.loads(line) for line in child.stdout]

        try:
            yield port, end
        finally:
            child.kill()


@as_root
def test_other_user_who_took_a_port_of_the_stack_is_asked_nothing_and_gets_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mlflow_token(tmp_path)
    write_token(tmp_path, "token-of-ray")
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    told = f"a process of another user \\(uid {SOMEBODY}\\) listens there"
    for part in ("mlflow", "ray_dashboard"):
        with listening_as(SOMEBODY) as (port, what_it_got):
            url = f"http://127.0.0.1:{port}"
            write_plan(tmp_path, Plan(cluster="c", ports=DEFAULT_PORTS | {part: port}), running=True)
            for address in (url, f"http://localhost:{port}"):
                with (
                    closing(Mlflow(address, os.environ)) as mlflow,
                    pytest.raises(UnreachableError, match=told),
                ):
                    mlflow.experiments()
            with (
                closing(Ray(url, "token-of-ray", os.environ)) as ray,
                pytest.raises(UnreachableError, match=told),
            ):
                ray.applications()
            with pytest.raises(UnreachableError, match=told):
                entrance_url(page_url(url, "experiments"), os.environ)
            token_file = mlflow_token_file(tmp_path)
            probed = HttpProbe(url=f"{url}/health", contains="", token_file=token_file)
            assert not Supervisor(tmp_path, "c", ()).answers(probed)
            assert "MLFLOW_TRACKING_TOKEN" not in CliRunner().invoke(app, ["env"]).stdout
            dashboard = CliRunner().invoke(app, ["dashboard", part.partition("_")[0]])
            assert (dashboard.exit_code, f"uid {SOMEBODY}" in dashboard.stderr) == (1, True), dashboard.output
            # MLflow's own client asks whom it is told to ask, and shows nothing.
            with pytest.raises(MlflowException):
                MlflowClient(tracking_uri=url, registry_uri=url).search_experiments()
            (got,) = what_it_got()
            assert got.startswith("POST /api/2.0/mlflow/experiments/search")
            assert "Authorization" not in got


def test_port_of_the_stack_where_nothing_listens_is_asked_nothing(tmp_path: Path) -> None:
    # Whoever listens there by turns would be asked by chance.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    write_plan(tmp_path, Plan(cluster="c", ports=DEFAULT_PORTS | {"mlflow": port}), running=True)
    mlflow = Mlflow(f"http://127.0.0.1:{port}", {"JOURNEYMAN_HOME": str(tmp_path)})
    with closing(mlflow), pytest.raises(UnreachableError, match="nothing listens there"):
        mlflow.experiments()


@pytest.mark.parametrize("asked", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_kernel_tells_who_listens(host: str, asked: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        if ":" in host:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, 0))
        listener.listen()
        port: int = listener.getsockname()[1]
        try:
            socket.create_connection((asked, port)).close()
            reached = os.getuid()
        except ConnectionRefusedError:
            reached = NOBODY_LISTENS
        assert uid_of_listener((asked, port)) == reached
        assert uid_of_listener(("127.0.0.2", port)) == (
            os.getuid() if host in ("0.0.0.0", "::") else NOBODY_LISTENS
        )
    assert uid_of_listener((asked, port)) == NOBODY_LISTENS


def test_tables_tell_who_listens_at_an_address_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("journeyman.sockets.ask_kernel", refuse)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        assert uid_of_listener(("127.0.0.1", port)) == os.getuid()
    assert uid_of_listener(("127.0.0.1", port)) == NOBODY_LISTENS


def test_where_the_kernel_tells_nothing_of_who_listens_the_stack_is_asked(
    noted: tuple[Callable[[], str], list[str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journeyman.sockets.ask_kernel", refuse)
    monkeypatch.setattr("journeyman.sockets.read_tables", refuse)
    server, seen = noted
    own = server()
    make_mlflow_token(tmp_path)
    ports = DEFAULT_PORTS | {"mlflow": int(own.rpartition(":")[2])}
    write_plan(tmp_path, Plan(cluster="c", ports=ports), running=True)
    with closing(Mlflow(own, {"JOURNEYMAN_HOME": str(tmp_path)})) as mlflow:
        mlflow.experiments()
        # Another `up`, and another token.
        before = read_mlflow_token(tmp_path)
        make_mlflow_token(tmp_path)
        with pytest.raises(DeniedError):
            mlflow.version()
    assert seen == [f"Bearer {before}", f"Bearer {before}", f"Bearer {read_mlflow_token(tmp_path)}"]


def test_proxy_of_the_environment_is_not_shown_the_token_and_is_no_way_to_this_machine(
    noted: tuple[Callable[[], str], list[str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, seen = noted
    own, proxy = server(), server()
    make_mlflow_token(tmp_path)
    ports = DEFAULT_PORTS | {"mlflow": int(own.rpartition(":")[2])}
    write_plan(tmp_path, Plan(cluster="c", ports=ports), running=True)
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    MlflowClient(tracking_uri=own, registry_uri=own).search_experiments()
    # It asked the proxy: MLflow's client does as the environment says.
    assert seen == [None]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with closing(Mlflow(own, os.environ)) as mlflow, closing(Ray(own, "of-ray", os.environ)) as ray:
        mlflow.experiments()
        ray.applications()
    assert seen == [None, f"Bearer {read_mlflow_token(tmp_path)}", "Bearer of-ray"]


def test_dashboard_has_a_code_where_the_server_wants_a_token(
    noted: tuple[Callable[[], str], list[str | None]], tmp_path: Path
) -> None:
    server, seen = noted
    own = server()
    environ = {"JOURNEYMAN_HOME": str(tmp_path)}
    make_mlflow_token(tmp_path)
    ports = DEFAULT_PORTS | {"mlflow": int(own.rpartition(":")[2])}
    write_plan(tmp_path, Plan(cluster="c", ports=ports), running=True)
    page = entrance_url(page_url(own, "experiments"), environ)
    assert page.startswith(f"{own}{ENTRANCE}?code=")
    assert (read_mlflow_token(tmp_path) or "") not in page
    assert seen == [None]
    assert entrance_url("http://127.0.0.1:1/#/x", environ) == "http://127.0.0.1:1/#/x"
