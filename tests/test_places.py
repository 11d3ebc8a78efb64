"""Where a clone lies and what surrounds it: no git, another user, letters of other alphabets, a token in the
environment."""

import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from radiotrace.pipeline import stage
from tests import projects

ROOT = Path(__file__).resolve().parent.parent
GUARDED = ("run", "pull", "verify", "test", "check", "diff", "experiments")


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """make in a folder, as if the environment had been installed."""
    command = ["make", "-o", ".venv/runtime", "-o", ".venv/dev", "-o", "browser", *words]
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the make that runs the tests
    surroundings = {
        name: value for name, value in projects.environment(folder).items() if name not in outer
    } | environment
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", GUARDED)
def test_a_copy_without_git_is_said_in_one_line_with_what_to_do(tmp_path, target):
    for name in ("Makefile", "requirements.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    done = make(tmp_path, target)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1
    assert said[0].startswith("this is no git repository (a ZIP, perhaps)")
    assert "'git clone'" in said[0]
    assert done.stdout == ""


def test_a_repository_that_git_does_not_read_is_said_with_what_git_says(tmp_path):
    for name in ("Makefile", "requirements.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    projects.run(tmp_path, "git", "init", "-q")
    # git's own switch for a test of a folder that is another user's
    done = make(tmp_path, "pull", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert done.returncode != 0
    assert f"git config --global --add safe.directory '{tmp_path}'" in done.stderr


def test_a_diff_without_its_base_is_an_error_that_names_it(tmp_path):
    for name in ("Makefile", "requirements.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    projects.run(tmp_path, "git", "init", "-q", "-b", "work")
    projects.commit(tmp_path, "start")
    done = make(tmp_path, "diff")
    assert done.returncode != 0
    assert done.stderr.startswith("make diff: there is no main in this clone: 'git fetch origin main:main'")
    assert done.stdout == ""


def test_what_make_installs_has_a_command_of_our_name():
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\n.venv/runtime:")[2].partition("\n\n")[0]
    assert '-m radiotrace "$$@"' in recipe
    assert "chmod +x .venv/bin/radiotrace" in recipe


@pytest.fixture
def studio():
    """A server in the place of DVC's; its address, and the requests that reached it."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            requests.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


STAGE = """from dvclive import Live

with Live("live", save_dvc_exp=False, dvcyaml=None, report=None) as live:
    live.log_metric("dice", 0.5)
    live.next_step()
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_token_for_dvc_studio_sends_nothing_where_our_settings_hold(tmp_path, studio, is_ours):
    address, requests = studio
    folder = tmp_path / "Prüfung"  # whose name is in no alphabet but its own
    folder.mkdir()
    (folder / "stage.py").write_text(STAGE)
    (folder / "dvc.yaml").write_text("stages: {train: {cmd: python stage.py, deps: [stage.py]}}\n")
    projects.run(folder, "git", "init", "-q", "-b", "main")
    projects.run(folder, "dvc", "init", "-q")
    text = (ROOT / ".dvc/config").read_text("utf-8")
    (folder / ".dvc/config").write_text(
        text if is_ours else text.replace("offline = true", "offline = false")
    )
    shutil.copyfile(ROOT / ".dvc/plots.html", folder / ".dvc/plots.html")
    projects.commit(folder, "a pipeline")
    surroundings = projects.environment(folder) | {
        "DVC_STUDIO_TOKEN": "token",
        "DVC_STUDIO_URL": address,
        "DVC_STUDIO_REPO_URL": "https://example.org/a/b.git",
    }
    command = ["dvc", "exp", "run", "-q"]
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (requests == []) == is_ours


def test_every_text_is_read_as_utf_8_whatever_the_locale():
    ruff = Path(sys.executable).parent / "ruff"
    command = [ruff, "check", "--isolated", "--preview", "--select", "PLW1514", "radiotrace", "stages"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# Before torch, whose import takes seconds


OF_TORCH = ["train", "evaluate", "robustness", "explain", "export"]


@pytest.mark.parametrize("name", OF_TORCH)
def test_a_wrong_parameter_is_said_before_torch_is_imported(tmp_path, name):
    text = (ROOT / "params.yaml").read_text("utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("  epochs:", "  epoch:"), "utf-8")
    words = ["-X", "importtime", "-m", f"stages.segmentation.{name}", "--params", tmp_path / "params.yaml"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert said[0] == f"{name}: {tmp_path}/params.yaml breaks its schemas, schemas/params*.schema.json"
    assert "  train: Additional properties are not allowed ('epoch' was unexpected)" in said
    assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)


def test_an_interrupt_while_torch_is_imported_is_one_message(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-m", "stages.segmentation.train", "--params", "params.yaml"]
    surroundings = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.returncode == 1
    assert done.stderr.startswith("train: interrupted. 'dvc repro' runs this stage again")
    assert "Traceback" not in done.stderr


@pytest.fixture
def handler_of_interrupts():
    earlier = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, earlier)


@pytest.mark.usefixtures("handler_of_interrupts")
def test_parameters_that_hold_or_that_there_are_not_end_nothing_early(tmp_path):
    stage.check_parameters(["train.py", "--params", str(ROOT / "params.yaml"), "--other", "x"])
    stage.check_parameters(["train.py", "--params", str(tmp_path / "params.yaml")])
    stage.check_parameters(["train.py"])
