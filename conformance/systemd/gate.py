"""hsm-bridge-gate.service as it is shipped: the page's drop-in names one host, which signs; others do not get as far as a handshake."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bridge import NOBODY, Bridge
from checks import NotRun, Report, expect, same
from machine import until

UNIT = "hsm-bridge-gate.service"
SETTINGS = "/etc/romduol/gate.toml"
DROP_IN = "/etc/systemd/system/hsm-bridge-gate.service.d/callers.conf"
HERE, ELSEWHERE = "10.20.0.11", "10.20.0.12"


def openssl(folder: Path, *command: str) -> None:
    subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


def certificates(folder: Path) -> None:
    """An authority, a server and a client of it, by the openssl program."""
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30", "-subj", "/CN=test",
            "-keyout", "ca.key", "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, host, purpose in [("gate", "keys.example.gov.kh", "serverAuth"), ("client", "ocsp1.example.gov.kh", "clientAuth")]:
        openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "extensions").write_text(f"subjectAltName=DNS:{host}\nextendedKeyUsage={purpose}\nkeyUsage=critical,digitalSignature\n")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "10", "-extfile", "extensions",
                "-out", f"{name}.pem")
    (folder / "index").write_text("")
    (folder / "ca.cnf").write_text("[ca]\ndefault_ca=it\n[it]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=5\n")
    openssl(folder, "ca", "-config", "ca.cnf", "-gencrl", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "ca.crl")


def run(bridge: Bridge, report: Report) -> None:
    machine = bridge.machine
    remote = f"tls:10.20.0.5:8450:{HERE}:/opt/remote"
    service = {"label": "remote/one", "uid": NOBODY, "groups": ""}
    with report.check("the gate: the page's files install it, and it starts"), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        for path, source, mode, owner in [
            ("/etc/romduol/gate/gate.pem", "gate.pem", "0644", "root"), ("/etc/romduol/gate/gate.key", "gate.key", "0600", "hsm-bridge-gate"),
            ("/etc/romduol/gate/client-ca.pem", "ca.pem", "0644", "root"), ("/etc/romduol/gate/client-ca.crl", "ca.crl", "0644", "root"),
            ("/opt/remote/ca.pem", "ca.pem", "0644", "root"), ("/opt/remote/client.pem", "client.pem", "0644", "root"),
            ("/opt/remote/client.key", "client.key", "0600", "nobody-known"),
        ]:
            machine.write(path, (folder / source).read_bytes(), mode, owner)
        machine.write(SETTINGS, bridge.page.file(SETTINGS))
        machine.write(DROP_IN, bridge.page.file(DROP_IN))
        machine.run("systemctl", "daemon-reload")
        checked = machine.run("sh", "-ec", bridge.page.commands("gate --check"), check=False)
        same(checked.returncode, 0, f"the status of the look beforehand ({checked.stdout}{checked.stderr})")
        machine.run("systemctl", "start", UNIT)
        until("its port", lambda: '"message":"listening"' in machine.journal(UNIT))
    with report.check("the gate: the service on the other host signs, and openssl verifies it"):
        bridge.signs(remote, **service)
        expect(any(row.get("caller") == "ocsp-remote" for row in bridge.audit()), "the audit log does not know the caller")
    with report.check("the gate: a host that the unit does not name gets no answer"):
        answer = bridge.ask(f"tls:10.20.0.5:8450:{ELSEWHERE}:/opt/remote", **service)
        if answer.returncode == 0:
            raise NotRun("this kernel does not filter addresses for units (BPF for cgroups)")
        same((answer.returncode, "timed out" in answer.stdout), (4, True), f"the outcome ({answer.stdout.strip()})")
    with report.check("the gate: it runs without privileges under its own user"):
        process = int(machine.show(UNIT, "MainPID"))
        status = bridge.status(process)
        owner = machine.run("id", "-u", "hsm-bridge-gate").stdout.strip()
        found = [status[name].split()[0] for name in ("Uid", "NoNewPrivs", "Seccomp", "CapEff", "CapBnd")]
        same(found, [owner, "1", "2", "0" * 16, "0" * 16], "user, privileges and capabilities")
    with report.check("the gate: killed it comes back, stopped it is gone"):
        machine.run("systemctl", "kill", "-s", "KILL", UNIT)
        until("a restart", lambda: machine.show(UNIT, "NRestarts") == "1" and machine.journal(UNIT).count('"message":"listening"') == 2)
        bridge.signs(remote, **service)
        machine.run("systemctl", "stop", UNIT)
        same(machine.show(UNIT, "Result"), "success", "the result")
