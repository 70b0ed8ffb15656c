"""Every backend: futures, errors that come home, threads as set, no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from revolion import resources
from revolion.backends import BACKENDS, connect
from revolion.errors import BackendError, DataError, RevolionError, SettingsError

KINDS = [("local", 0), ("local", 2)]


def double(number: int) -> int:
    return 2 * number


def fail(path: str) -> None:
    raise DataError("it is broken", path, 3, "id")


def environment() -> tuple[int, str | None]:
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def gpu() -> tuple[int, str | None]:
    time.sleep(0.3)  # so that both workers get one
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(("name", "workers"), KINDS)
def test_results_and_errors_come_home(name: str, workers: int) -> None:
    with connect(name, workers=workers, threads=1) as backend:
        futures = [backend.submit(double, number) for number in range(5)]
        assert [future.result() for future in futures] == [0, 2, 4, 6, 8]
        with pytest.raises(DataError, match=r"x\.json, row 3, field 'id': it is broken") as caught:
            backend.submit(fail, "x.json").result()
    assert caught.value.row == 3


def test_workers_are_other_processes_with_their_own_threads() -> None:
    with connect("local", workers=2, threads=3) as backend:
        pid, threads = backend.submit(environment).result()
    assert pid != os.getpid()
    assert threads == "3"


def masked() -> set[int]:
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def test_workers_never_hear_ctrl_c() -> None:
    """Not even while they start, which takes seconds before anything of ours runs in them."""
    with connect("local", workers=1, threads=1) as backend:
        assert signal.SIGINT in backend.submit(masked).result()
    assert signal.SIGINT not in masked(), "the caller hears it again"


def test_gpus_are_dealt_out() -> None:
    with connect("local", workers=2, threads=1, gpus=("3", "5")) as backend:
        found = {future.result() for future in [backend.submit(gpu, gpus=1) for _ in range(4)]}
    assert {device for _, device in found} == {"3", "5"}
    assert len(found) == 2


@pytest.mark.parametrize(
    ("listed", "chosen", "found"),
    [
        (0, None, ()),
        (0, "0", ()),
        (3, None, ("0", "1", "2")),
        (3, "2, GPU-8932f937", ("2", "GPU-8932f937")),
        (3, "1,-1,2", ("1",)),
        (3, "", ()),
    ],
)
def test_gpus_are_those_that_the_user_left_in_sight(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    listed: int,
    chosen: str | None,
    found: tuple[str, ...],
) -> None:
    """A user's CUDA_VISIBLE_DEVICES is a share of the machine, not to be handed out anew."""
    for number in range(listed):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    monkeypatch.setattr(resources, "_NVIDIA", tmp_path)
    monkeypatch.setattr(resources, "_UNLISTED", ())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert resources.gpus() == found


def test_gpus_that_no_file_lists_are_counted_by_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_NVIDIA", tmp_path / "none")
    monkeypatch.setattr(resources, "_UNLISTED", (tmp_path,))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert resources.gpus() == ("0", "1")


def test_in_process_work_stays_in_the_process() -> None:
    with connect("local", workers=0, threads=1) as backend:
        assert backend.submit(environment).result()[0] == os.getpid()


def test_an_unknown_backend_lists_the_known() -> None:
    with pytest.raises(SettingsError, match=f"no backend is called 'x'.*{', '.join(BACKENDS)}"):
        connect("x", workers=0, threads=1)


def test_a_closed_backend_refuses_work() -> None:
    backend = connect("local", workers=0, threads=1)
    with pytest.raises(RuntimeError, match="not open"):
        backend.submit(double, 1)  # type: ignore[attr-defined]  # a closed one has no such promise


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """A worker that outlives a killed run would go on writing into its folder."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from revolion.backends import connect\n"
        "def pid():\n    return os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    with connect('local', workers=1, threads=1) as backend:\n"
        "        print(backend.submit(pid).result(), flush=True)\n"
        "        time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not _alive(worker):
            return
        time.sleep(0.1)
    pytest.fail(f"worker {worker} is still there 10 s after its parent was killed")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_backend_errors_name_unit_and_log() -> None:
    error = BackendError("it died", "tune a", "run/log.txt")
    assert str(error) == "tune a: it died (its log: run/log.txt)"
    assert isinstance(error, RevolionError)
