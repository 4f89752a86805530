"""The data as a team keeps it: moved from the store in the repository to a bucket, by the very lines of the README."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = {"photos/a.jpg": b"one photo", "photos/b.jpg": b"another photo", "pretrained/net.safetensors": b"weights"}


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of an S3 server on this machine that has an empty bucket named ``studio``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        address = f"http://127.0.0.1:{port}"
        urlopen(Request(f"{address}/studio", method="PUT")).close()
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with this one's DVC configuration, its data tracked and in the store beside it."""
    folder = tmp_path / "project"
    for name, content in FILES.items():
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / name).write_bytes(content)
    (folder / ".dvc").mkdir()
    for name in (".dvc/config", ".dvc/.gitignore"):
        shutil.copyfile(ROOT / name, folder / name)
    run(folder, "git init --quiet && dvc add data/photos data/pretrained/net.safetensors && dvc push "
                "&& git add . && git commit --quiet -m 'Begin'")
    return folder


def run(folder: Path, command: str, **variables: str) -> str:
    people = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **people, "DVC_NO_ANALYTICS": "1", "PATH": f"{Path(sys.executable).parent}"
                   f"{os.pathsep}{os.environ['PATH']}", **variables}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"
    return done.stdout


def remote_lines() -> str:
    """The block of the README that moves the data to a bucket."""
    blocks: list[str] = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
    return next(block for block in blocks if "dvc remote add" in block)


def test_readme_moves_the_data_to_a_bucket_from_which_a_clone_pulls_it(tmp_path: Path, project: Path,
                                                                       bucket: str) -> None:
    s3 = {"AWS_ENDPOINT_URL": bucket, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
          "AWS_DEFAULT_REGION": "us-east-1"}
    lines = remote_lines()
    assert "s3://my-bucket" in lines
    run(project, lines.replace("my-bucket", "studio"), **s3)
    shutil.rmtree(project / "data/store")
    run(tmp_path, "git clone --quiet project clone")
    run(tmp_path / "clone", "dvc pull", **s3)
    assert {name: (tmp_path / "clone/data" / name).read_bytes() for name in FILES} == FILES


def test_store_holds_what_is_tracked_and_nothing_else() -> None:
    """A blob that nothing names any more would stay in everybody's clone."""
    listed = subprocess.run(["git", "ls-files", "*.dvc", "dvc.lock", "data/store"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout.split()
    store = {path.removeprefix("data/store/files/md5/").replace("/", ""): ROOT / path
             for path in listed if path.startswith("data/store/")}
    tracked = {out["md5"] for path in listed if path.endswith(".dvc")
               for out in yaml.safe_load((ROOT / path).read_text())["outs"]}
    tracked |= {match for name in tracked & store.keys() if name.endswith(".dir")
                for match in re.findall(r'"md5": "(\w+)"', store[name].read_text())}
    assert tracked <= store.keys()
    made = set(re.findall(r"md5: ([\w.]+)", (ROOT / "dvc.lock").read_text()))
    assert store.keys() <= tracked | made
