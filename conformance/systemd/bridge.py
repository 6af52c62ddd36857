"""hsm-bridge.service as it is shipped: installed by the page, used through its sockets, killed, refused, stopped."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path

from checks import NotRun, Report, expect, same
from machine import Machine, until
from page import FOLDER, Page

UNIT = "hsm-bridge.service"
CONFIGURATION = "/etc/romduol/romduol.toml"
CA_SOCKET, IDP_SOCKET = "/run/hsm-bridge/ca/bridge.sock", "/run/hsm-bridge/idp/bridge.sock"
CA, IDP, NOBODY, WORKER = 2001, 2002, 2003, 2004
NO_CAPABILITY = "0" * 16
UNCONNECTED = 4
ACTS_ON_PIN, ACTS_ON_SETTING = "77", "78"
POLICY = """[[grant]]
caller = "ca"
keys = "units/*"
operations = ["generate", "sign"]
[[grant]]
caller = "ocsp-remote"
keys = "remote/*"
operations = ["generate", "sign"]
[[key]]
keys = "units/*"
durable = true
"""
SOFTHSM = "directories.tokendir = /var/lib/hsm-bridge/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"


class Bridge:
    def __init__(self, machine: Machine, programs: Path):
        self.machine, self.page, self._programs = machine, Page(), programs

    def install(self) -> None:
        machine, page = self.machine, self.page
        machine.write("/usr/bin/hsm-bridge", (self._programs / "hsm-bridge").read_bytes(), "0755")
        machine.write("/opt/caller.py", (Path(__file__).parent / "wire.py").read_bytes())
        for unit in FOLDER.glob("*.service"):
            machine.write(f"/etc/systemd/system/{unit.name}", unit.read_bytes())
        for folder in ["sysusers.d", "tmpfiles.d"]:
            for name in ["hsm-bridge.conf", "hsm-bridge-gate.conf"]:
                machine.write(f"/usr/lib/{folder}/{name}", page.file(f"/usr/lib/{folder}/{name}"))
        people = [("ca", CA), ("idp", IDP), ("nobody-known", NOBODY), ("hsm-worker", WORKER)]
        machine.run("systemd-sysusers")
        machine.run("systemd-sysusers", "-", given="".join(f"u {name} {number}\n" for name, number in people))
        machine.run("systemd-tmpfiles", "--create", check=False)  # what is not ours on this host may fail
        machine.write("/etc/romduol/bridge-policy.toml", POLICY)
        machine.write("/etc/romduol/softhsm2.conf", SOFTHSM)
        settings = page.file(CONFIGURATION)
        if not machine.may_lock_memory():
            settings = settings.replace("require_locked_memory = true", "require_locked_memory = false")
        machine.write(CONFIGURATION, settings + f"uid = {CA}\n"
                      f'[[bridge.socket]]\nname = "idp"\npath = "{IDP_SOCKET}"\n'
                      '[[bridge.socket]]\nname = "ocsp-remote"\npath = "/run/hsm-bridge/ocsp-remote/bridge.sock"\n'
                      f"uid = {machine.run('id', '-u', 'hsm-bridge-gate').stdout}")
        machine.run("sh", "-ec", page.commands("openssl rand -hex 16"))
        machine.run("systemctl", "daemon-reload")

    def start(self) -> None:
        machine = self.machine
        machine.run("systemctl", "start", UNIT)

        def up() -> bool:
            state = machine.show(UNIT, "ActiveState")
            expect(state in ("active", "activating"), f"{state}: {self._last_words()}")
            return machine.run("test", "-S", IDP_SOCKET, check=False).returncode == 0
        until("the sockets", up)

    def _last_words(self) -> str:
        return " | ".join(self.machine.journal(UNIT).splitlines()[-5:])

    def ask(self, where: str, label: str = "units/one", uid: int = CA, groups: str = "keys-ca", message: str = "to be signed"
            ) -> subprocess.CompletedProcess[str]:
        return self.machine.run("python3", "/opt/caller.py", where, label, message, uid=uid, groups=groups, check=False)

    def signs(self, where: str = f"unix:{CA_SOCKET}", **more) -> None:
        message = "to be signed"
        answers = []

        def connected() -> bool:
            # A bridge that is being started has no socket yet; as every caller, this one looks again.
            answers.append(self.ask(where, message=message, **more))
            return answers[-1].returncode != UNCONNECTED
        with contextlib.suppress(AssertionError):
            until("a connection", connected)
        answer = answers[-1]
        same(answer.returncode, 0, f"the caller's status ({answer.stdout.strip()}{answer.stderr.strip()[-300:]}; {self._last_words()})")
        verified(*map(bytes.fromhex, answer.stdout.split()), message.encode())

    def processes(self) -> tuple[int, list[int]]:
        """Main process and workers, numbered as inside."""
        main = int(self.machine.show(UNIT, "MainPID"))
        found = self.machine.run("pgrep", "-P", str(main), check=False).stdout.split()
        return main, [int(number) for number in found]

    def status(self, process: int) -> dict[str, str]:
        lines = self.machine.read(f"/proc/{process}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def audit(self) -> list[dict]:
        text = self.machine.run("sh", "-c", "cat /var/lib/hsm-bridge/audit/main/*.jsonl").stdout
        return [json.loads(line) for line in text.splitlines()]


def verified(public: bytes, signature: bytes, message: bytes) -> None:
    """The word of the openssl program on a signature."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in [("key", public), ("signature", signature), ("message", message)]:
            (Path(folder) / name).write_bytes(content)
        ended = subprocess.run(["openssl", "dgst", "-sha256", "-verify", "key", "-keyform", "DER", "-signature", "signature", "message"],
                               cwd=folder, capture_output=True, text=True)
        same(ended.stdout.strip(), "Verified OK", "openssl's word on the signature")


def confined(bridge: Bridge, process: int, name: str) -> None:
    status = bridge.status(process)
    for what, wanted in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", NO_CAPABILITY), ("CapBnd", NO_CAPABILITY)]:
        same(status[what], wanted, f"{what} of {name}")
    interfaces = bridge.machine.read(f"/proc/{process}/net/dev").splitlines()[2:]
    same([line.split(":")[0].strip() for line in interfaces], ["lo"], f"network interfaces of {name}")
    addresses = bridge.machine.read(f"/proc/{process}/net/fib_trie")
    expect("10.20.0.5" not in addresses, f"{name} is in the network of the machine")


def as_packaged(bridge: Bridge, report: Report) -> None:
    machine = bridge.machine
    with report.check("the page's files and commands install it, and it starts"):
        bridge.install()
        bridge.start()
    with report.check("supervisor and worker run without privileges and off the network"):
        main, workers = bridge.processes()
        same(len(workers), 1, "the number of workers")
        confined(bridge, main, "the supervisor")
        confined(bridge, workers[0], "the worker")
        expect('"message":"confined"' in machine.journal(UNIT), "the journal has no line 'confined'")
    with report.check("their memory is locked"):
        if not machine.may_lock_memory():
            raise NotRun("root may not raise limits here (CAP_SYS_RESOURCE), so LimitMEMLOCK=infinity is not in force")
        main, workers = bridge.processes()
        for process in (main, *workers):
            status = bridge.status(process)
            expect(int(status["VmLck"].split()[0]) > int(status["VmRSS"].split()[0]) // 2, f"process {process} has {status['VmLck']} locked")
    with report.check("the PIN is the daemon's to read and nobody else's"):
        path = "/run/credentials/hsm-bridge.service/token.pin"
        refused = machine.run("cat", path, uid=CA, check=False)
        same(refused.returncode, 1, "the status of another user's attempt")
        environment = machine.read(f"/proc/{bridge.processes()[1][0]}/environ") + machine.read(f"/proc/{bridge.processes()[1][0]}/cmdline")
        pin = machine.read("/etc/romduol/secrets/token.pin").strip()
        expect(len(pin) >= 16 and pin not in environment + machine.journal(UNIT), "the PIN is in arguments, environment or journal")
    with report.check("a service signs through its socket, and openssl verifies it"):
        bridge.signs()
    with report.check("a user without the group cannot open the socket"):
        answer = bridge.ask(f"unix:{CA_SOCKET}", uid=NOBODY, groups="")
        same((answer.returncode, "Permission denied" in answer.stdout), (4, True), f"the outcome ({answer.stdout.strip()})")
    with report.check("a user with the group and another number is refused"):
        answer = bridge.ask(f"unix:{CA_SOCKET}", uid=NOBODY)
        same((answer.returncode, answer.stdout.strip()), (3, "refused: not permitted"), "the outcome")
    with report.check("a service without a grant is refused, and the audit log has it"):
        before = len(bridge.audit())
        answer = bridge.ask(f"unix:{IDP_SOCKET}", uid=IDP, groups="keys-idp")
        same((answer.returncode, answer.stdout.strip()), (3, "refused: not permitted"), "the outcome")
        rows = bridge.audit()[before:]
        expect(any(row.get("caller") == "idp" and "not" in row["result"] for row in rows), f"the log has {rows}")
    with report.check("`hsm-bridge status`, as root, says that all is well"):
        said = machine.run("hsm-bridge", "status", "--config", CONFIGURATION)
        expect("main" in said.stdout, said.stdout)


def faults(bridge: Bridge, report: Report) -> None:
    machine = bridge.machine
    with report.check("a worker killed by SIGKILL is replaced, and its supervisor stays"):
        main, workers = bridge.processes()
        machine.run("kill", "-KILL", str(workers[0]))
        bridge.signs()
        same(bridge.processes()[0], main, "the supervisor's number")
        expect(bridge.processes()[1] not in ([], workers), "the worker is the same")
        same(machine.show(UNIT, "NRestarts"), "0", "restarts")
    with report.check("`systemctl kill -s KILL` ends it, systemd starts it again, and the PIN is good for it"):
        machine.run("systemctl", "kill", "-s", "KILL", UNIT)
        until("a restart", lambda: machine.show(UNIT, "NRestarts") == "1" and machine.show(UNIT, "SubState") == "running")
        bridge.signs()
    with report.check("`daemon-reload` and `restart` leave the keys where they are"):
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", UNIT)
        bridge.signs()
    with report.check("`stop` ends every process in order and takes the sockets away"):
        machine.run("systemctl", "stop", UNIT)
        same(machine.show(UNIT, "Result"), "success", "the result")
        same(machine.run("pgrep", "-x", "hsm-bridge", check=False).stdout, "", "what is left running")
        expect(machine.run("test", "-e", CA_SOCKET, check=False).returncode == 1, "the socket is still there")
    with report.check("the audit log is whole"):
        said = machine.run("hsm-bridge", "audit", "verify", "/var/lib/hsm-bridge/audit/main")
        signed = [row for row in bridge.audit() if (row.get("operation"), row.get("result")) == ("sign", "done")]
        same(len(signed), 4, f"signatures in the log ({said.stdout})")
    with report.check("a wrong PIN is offered once: systemd does not start it again, nor does a person get a second attempt"):
        pin = machine.read("/etc/romduol/secrets/token.pin")
        machine.write("/etc/romduol/secrets/token.pin", "not-the-pin", "0600")
        for _ in range(2):
            machine.run("systemctl", "start", UNIT, check=False)
            until("its end", lambda: machine.show(UNIT, "ActiveState") == "failed")
            same(machine.show(UNIT, "ExecMainStatus"), ACTS_ON_PIN, "the status")
        same(machine.show(UNIT, "NRestarts"), "0", "restarts")
        machine.write("/etc/romduol/secrets/token.pin", pin, "0600")
        bridge.start()
        bridge.signs()
    with report.check("a setting that cannot be used is not tried again"):
        machine.run("systemctl", "stop", UNIT)
        machine.write("/etc/systemd/system/hsm-bridge.service.d/wrong.conf", "[Service]\nEnvironment=ROMDUOL__BRIDGE__POLICY=/nowhere\n")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", UNIT, check=False)
        until("its end", lambda: machine.show(UNIT, "ActiveState") == "failed")
        same((machine.show(UNIT, "ExecMainStatus"), machine.show(UNIT, "NRestarts")), (ACTS_ON_SETTING, "0"), "status and restarts")
        machine.run("rm", "/etc/systemd/system/hsm-bridge.service.d/wrong.conf")
        machine.run("systemctl", "daemon-reload")
        bridge.start()


def users_of_their_own(bridge: Bridge, report: Report) -> None:
    machine = bridge.machine
    drop_in = "/etc/systemd/system/hsm-bridge.service.d/users.conf"
    with report.check("with the page's drop-in a worker has a user of its own"):
        machine.run("systemctl", "stop", UNIT)
        machine.write(drop_in, bridge.page.file(drop_in))
        settings = machine.read(CONFIGURATION).replace('label = "romduol"\n', f'label = "romduol"\nuid = {WORKER}\ngid = {WORKER}\n')
        machine.write(CONFIGURATION, settings)
        machine.run("sh", "-ec", bridge.page.commands("chown -R hsm-worker").strip())
        machine.run("systemctl", "daemon-reload")
        bridge.start()
        bridge.signs()
        main, workers = bridge.processes()
        owner = machine.run("id", "-u", "hsm-bridge").stdout.strip()
        same([bridge.status(it)["Uid"].split()[0] for it in (main, *workers)], [owner, str(WORKER)], "the users")
        same(bridge.status(workers[0])["CapEff"], NO_CAPABILITY, "what the worker may do")
        same(bridge.status(workers[0])["Groups"], "", "its other groups")
    with report.check("and is replaced, restarted and stopped as one without"):
        main, workers = bridge.processes()
        machine.run("kill", "-KILL", str(workers[0]))
        bridge.signs()
        machine.run("systemctl", "restart", UNIT)
        bridge.signs()
        machine.run("systemctl", "stop", UNIT)
        same(machine.show(UNIT, "Result"), "success", "the result")
        bridge.start()
        bridge.signs()


