"""The step of a build that pyproject.toml cannot say: Python is generated from the protocol's own file."""

from __future__ import annotations

from pathlib import Path

from grpc_tools import protoc
from setuptools import setup
from setuptools.command.build_py import build_py

SOURCES = Path(__file__).parent / "src"
PROTO = "journeyman/serve/protocols/open_inference_rpc.proto"


class Generate(build_py):  # type: ignore[misc]
    """Beside the file it is made from, in a checkout too."""

    def run(self) -> None:
        targets = [f"--{kind}_out={SOURCES}" for kind in ("python", "grpc_python")]
        if protoc.main(["protoc", f"-I{SOURCES}", *targets, PROTO]):
            raise SystemExit(f"{PROTO} cannot be compiled")
        super().run()


setup(cmdclass={"build_py": Generate})
