"""Where the page is served: options, the home's file, certificates, and clear words where it cannot be."""

from __future__ import annotations

import datetime
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
from page_home import PlayedHome, played  # noqa: E402

from skelact.cli import run  # noqa: E402
from skelact.commands.monitor import Options, read_page, with_place  # noqa: E402
from skelact.errors import ConfigError, DependencyError  # noqa: E402
from skelact.monitor.home import load_home  # noqa: E402
from skelact.monitor.page.server import PageServer  # noqa: E402
from skelact.monitor.page.settings import VARIABLE, PageSettings, read_address  # noqa: E402
from skelact.monitor.page.tokens import Token, hash_token  # noqa: E402

TOKEN = "correct horse battery staple"


@pytest.fixture(autouse=True)
def no_token_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def open_home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path) as one:
        yield one


def settings_of(*words: str, **options: Any) -> PageSettings | None:
    from skelact.commands.options import parse

    return read_page(options.get("settings"), parse(Options, with_place(["0", *words]), "monitor"))


def test_options_of_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert settings_of() is None
    page = settings_of("--page")
    assert page is not None and (page.host, page.port, page.token, page.pictures) == (
        "127.0.0.1",
        8765,
        "",
        False,
    )
    assert with_place([]) == [] and with_place(["a"]) == ["a"]
    assert with_place(["0", "--page", "9000"]) == ["0", "--page", "127.0.0.1:9000"]  # a port
    assert with_place(["--page", "0"]) == ["--page", "127.0.0.1:8765", "0"]  # a camera
    assert with_place(["--page", "--json"]) == ["--page", "127.0.0.1:8765", "--json"]
    assert (
        with_place(["--page", "rtsp://a:8554/x"])[1] == "127.0.0.1:8765"
        and with_place(["--page", "0"])[2] == "0"
    )
    for text, expected in (
        (":99", ("127.0.0.1", 99)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:5", ("::1", 5)),
    ):
        page = settings_of("--page", text)
        assert page is not None and (page.host, page.port) == expected
    page = settings_of("--page-pictures", settings=PageSettings(port=7, hosts=["cam.lan"]))
    assert page is not None and page.pictures and page.port == 7 and page.hosts == ["cam.lan"]
    monkeypatch.setattr(sys, "argv", ["skelact", "monitor", "--page-token", TOKEN])
    page = settings_of("--page", "--page-token", TOKEN)
    assert page is not None and Token(page.token).fits(TOKEN) and TOKEN not in " ".join(sys.argv)
    monkeypatch.setenv("MINE", TOKEN)
    page = settings_of("--page", "0.0.0.0:1", "--page-token", "env:MINE")
    assert page is not None and Token(page.token).fits(TOKEN)
    monkeypatch.setenv(VARIABLE, TOKEN + "!")
    page = settings_of("--page", "0.0.0.0:1")
    assert page is not None and Token(page.token).fits(TOKEN + "!")
    for words, said in (
        (["--page-pictures"], "add --page"), (["--page", "--page-token", "short"], "16 characters"),
        (["--page", "--page-token", "env:NONE"], "NONE"), (["--page=a:b:c"], "HOST:PORT"), (["--page=:99999"], "65535"),
        (["--page", "--page-certificate", "x.pem"], "both"), (["--page", "--page-key", "x.pem"], "both"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            settings_of(*words)


def test_others_need_a_token(capsys: pytest.CaptureFixture) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::", "example.org"):
        with pytest.raises(ConfigError, match="token"):
            PageSettings(host).resolved()
    for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1"):
        assert PageSettings(host).resolved().token == ""
    assert run(["monitor", "0", "--page", "0.0.0.0:8765"]) == 2
    assert "needs a token" in capsys.readouterr().err


def test_settings_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    for text, port in (
        ("page: {}", 8765),
        ("page:", 8765),
        ("page: true", 8765),
        ("page: {port: 9}", 9),
        ("", None),
    ):
        file.write_text(f"cameras: {{a: {{source: 0}}}}\n{text}\n")
        page = load_home(file).page
        assert (page.port if page else None) == port
    file.write_text(f"cameras: {{a: {{source: 0}}}}\npage: {{token: '{TOKEN}'}}\n")
    with pytest.raises(ConfigError, match=r"scrypt\$") as caught:
        load_home(file)
    hashed = next(word for word in str(caught.value).split() if word.startswith("scrypt$"))
    file.write_text(f"cameras: {{a: {{source: 0}}}}\npage: {{token: '{hashed}'}}\n")
    page = load_home(file).page
    assert page is not None and Token(page.token).fits(TOKEN)
    for text, said in (
        ("{port: 99999}", "65535"),
        ("{colour: 1}", "colour"),
        ("{certificate: a.pem}", "both"),
    ):
        file.write_text(f"cameras: {{a: {{source: 0}}}}\npage: {text}\n")
        with pytest.raises(ConfigError, match=said):
            load_home(file)


def test_own_names_are_let_in() -> None:
    names = PageSettings("0.0.0.0", hosts=["Home.Example."]).names()
    own = socket.gethostname().lower()
    assert {"localhost", "home.example", own} <= names and "evil.example" not in names
    assert own not in PageSettings().names()
    assert read_address("cam.lan:1").names() >= {"cam.lan"}


def test_a_place_in_use_and_one_that_is_not_here(open_home: PlayedHome) -> None:
    port = int(open_home.address.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"{port}.*another skelact monitor.*--page 127.0.0.1:"):
        PageServer(open_home.live, PageSettings(port=port))
    with pytest.raises(ConfigError, match=r"cannot be served at 192\.0\.2\.1"):
        PageServer(open_home.live, PageSettings("192.0.2.1", token=hash_token(TOKEN)))
    with pytest.raises(ConfigError, match="not known"):
        PageServer(open_home.live, PageSettings("no.such.host.invalid", token=hash_token(TOKEN)))


def test_a_second_monitor_of_the_same_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from skelact.io.outputs import holding

    other = (
        "import sys, time; from skelact.io.outputs import holding\n"
        "with holding(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log.db"
    with subprocess.Popen([sys.executable, "-c", other, str(log)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline()
            assert run(["monitor", "missing.mp4", "--log", str(log)]) == 1
            assert "is being written by process" in capsys.readouterr().err
        finally:
            process.kill()
    with holding(log):
        pass


def test_without_fastapi_the_extra_is_named(open_home: PlayedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(DependencyError, match=r"skelact\[page\]"):
        PageServer(open_home.live, PageSettings(port=0))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    names = tmp_path / "cert.pem", tmp_path / "key.pem"
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        made = ["openssl", *words.split(), "-out", str(names[0]), "-keyout", str(names[1])]
        try:
            subprocess.run(made, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("neither cryptography nor openssl makes a certificate here")
        return names
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    names[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    names[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return names


def test_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    settings = PageSettings(port=0, token=hash_token(TOKEN), certificate=cert, key=key)
    folder = tmp_path / "home"
    folder.mkdir()
    with played(folder, settings) as home:
        assert home.address.startswith("https://")
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        with httpx.Client(base_url=home.address, verify=trust) as ask:
            answer = ask.post("/api/login", json={"token": TOKEN}, headers={"Origin": home.address})
            assert "Secure" in answer.headers["set-cookie"] and ask.get("/api/state").status_code == 200
    for wrong in ((cert, cert), (key, key), (str(tmp_path / "none.pem"), key), (str(tmp_path), key)):
        with pytest.raises(ConfigError, match="certificate"):
            PageSettings(certificate=wrong[0], key=wrong[1]).resolved()
