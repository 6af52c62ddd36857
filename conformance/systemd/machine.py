"""A machine of its own for units: systemd as process 1 in namespaces, on a copy of this root folder that is gone at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from checks import NotRun

HERE = Path(__file__).resolve().parent
BOOT_LIMIT = 60.0
COMMAND_LIMIT = 90.0
PAUSE = 0.05
CAP_SYS_RESOURCE = 24
NAMESPACES = ["--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc"]


def until(what: str, found, limit: float = 30.0):
    """Waits for something true and gives it."""
    deadline = time.monotonic() + limit
    while not (value := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit:.0f} s")
        time.sleep(PAUSE)
    return value


class Machine:
    def __init__(self) -> None:
        for tool in ["/lib/systemd/systemd", "unshare", "nsenter", "setpriv", "ip"]:
            if not shutil.which(tool):
                raise NotRun(f"{tool} is not installed")
        if os.geteuid() != 0:
            raise NotRun("only root can make namespaces with a systemd in them")
        self.folder = Path(tempfile.mkdtemp(prefix="romduol-units."))
        self.log = self.folder.with_suffix(".log")
        self._cgroup = self._own_cgroup()
        with self.log.open("wb") as log:
            self._outer = subprocess.Popen(
                ["unshare", *NAMESPACES, "--fork", "--kill-child", "bash", HERE / "enter.sh", self.folder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: (self._cgroup / "cgroup.procs").write_text("0"))
        try:
            self.first = until("the first process of the machine", self._first, BOOT_LIMIT)
            until("systemd answers", self._answers, BOOT_LIMIT)
        except AssertionError as error:
            self.close()
            words = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            raise NotRun(f"no systemd comes up in namespaces here ({error}): {' '.join(words)}") from None

    @staticmethod
    def _own_cgroup() -> Path:
        for line in Path("/proc/mounts").read_text().splitlines():
            _, place, kind, options, *_ = line.split()
            if kind == "cgroup2" and "rw" in options.split(","):
                folder = Path(place) / f"romduol-units-{os.getpid()}"
                try:
                    folder.mkdir()
                except OSError as error:
                    raise NotRun(f"no cgroup of its own can be made: {error}") from None
                return folder
        raise NotRun("no cgroup2 file system is mounted that can be written to")

    def _first(self) -> int | None:
        if self._outer.poll() is not None:
            raise AssertionError("it ended")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        return int(children[0]) if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n" else None

    def _answers(self) -> bool:
        if self._outer.poll() is not None:
            raise AssertionError("it ended")
        found = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return found in ("running", "degraded")

    def run(self, *command: str | Path, uid: int | None = None, groups: str = "", check: bool = True,
            given: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as a user without privileges where one is named; groups are names, with commas between."""
        inside = ["nsenter", f"--target={self.first}", "--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc"]
        if uid is not None:
            member = f"--groups={groups}" if groups else "--clear-groups"
            inside += ["setpriv", f"--reuid={uid}", f"--regid={uid}", member, "--inh-caps=-all", "--no-new-privs"]
        given = given.encode() if isinstance(given, str) else given
        ended = subprocess.run([*inside, *map(str, command)], input=given, capture_output=True, timeout=COMMAND_LIMIT,
                               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        ended = subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(errors="replace"),
                                            ended.stderr.decode(errors="replace"))
        if check and ended.returncode:
            raise AssertionError(f"{' '.join(map(str, command))}: status {ended.returncode}: {ended.stdout}{ended.stderr}")
        return ended

    def may_lock_memory(self) -> bool:
        """Whether the units' `LimitMEMLOCK=infinity` can be had: the limit may be raised, or is none."""
        may_raise = int(self._status("CapEff"), 16) >> CAP_SYS_RESOURCE & 1
        limits = Path(f"/proc/{self.first}/limits").read_text().splitlines()
        return bool(may_raise) or any(line.startswith("Max locked memory") and line.count("unlimited") == 2 for line in limits)

    def _status(self, name: str) -> str:
        lines = Path(f"/proc/{self.first}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(name + ":"))

    def write(self, path: str, content: str | bytes, mode: str = "0644", owner: str = "root") -> None:
        self.run("install", "-D", "-m", mode, "-o", owner, "/dev/stdin", path, given=content)

    def read(self, path: str) -> str:
        return self.run("cat", path).stdout

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def close(self) -> None:
        """Ends every process of the machine, by the end of its first, and removes what it left."""
        if self._outer.poll() is None:
            # Its child, process 1 of the machine, gets the same signal, and the kernel ends the rest.
            self._outer.send_signal(signal.SIGKILL)
        self._outer.wait()
        for folder, _, _ in os.walk(self._cgroup, topdown=False):
            self._remove(Path(folder))
        self.folder.rmdir()

    @staticmethod
    def _remove(folder: Path) -> None:
        def gone() -> bool:
            try:
                folder.rmdir()
            except OSError:
                return not folder.exists()
            return True
        until(f"the end of {folder}", gone, 10)
