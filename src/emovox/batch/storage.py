"""Storage: a directory on this machine or a prefix in object storage, through Arrow's file systems.

Arrow's, because pyarrow is needed for Parquet anyway: s3, gs and az need no other package, and it reaches `hf://`
through fsspec where huggingface_hub is installed.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from emovox import directories, files, private
from emovox.audio.files import is_remote, local_path
from emovox.errors import BatchError, RecordingNotFoundError, TooLargeError, UnreadableAudioError
from emovox.packages import install

BLOCK = 2**20
RETRIES = 30  # seconds; Google's own library would retry for a quarter of an hour


@dataclass(frozen=True)
class Place:
    """A directory or file in a file system.

    Attributes:
        address: as given; its entries are named after it.
        filesystem: Arrow's.
        path: in the file system.
        local: whether it is on this machine.
    """

    address: str
    filesystem: Any
    path: str
    local: bool

    @classmethod
    def of(cls, address: str) -> "Place":
        """The place of an address or path.

        Raises:
            BatchError: unknown kind of storage, or its package is missing.
        """
        try:
            from pyarrow import ArrowException, fs  # noqa: PLC0415  an extra
        except ImportError:
            raise BatchError(f"the batch needs one more package: {install('pyarrow')}") from None
        if not is_remote(address):
            address = local_path(address)
            path = os.path.abspath(address)  # noqa: PTH100  no symbolic link is resolved
            return cls(address.rstrip("/") or "/", fs.LocalFileSystem(), path, True)
        try:
            scheme, _, rest = address.partition("://")
            authority, slash, path = rest.partition("/")
            filesystem, base = _filesystem(scheme, authority)
        except ImportError as error:
            raise BatchError(f"{address}: reading this needs one more package: {error}") from error
        except (OSError, ValueError, ArrowException) as error:
            raise BatchError(f"{address}: {' '.join(str(error).split())}") from error
        return cls(address.rstrip("/"), filesystem, f"{base.rstrip('/')}{slash}{path}".rstrip("/"), False)

    def __truediv__(self, name: str) -> "Place":
        if not name:
            return self
        address = f"{self.address.rstrip('/')}/{name}" if self.address else name
        return Place(address, self.filesystem, f"{self.path.rstrip('/')}/{name}", self.local)

    def kind(self) -> str:
        """`directory`, `file` or `nothing`.

        Raises:
            BatchError: the storage refuses.
        """
        with _explained(self):
            name = self.filesystem.get_file_info(self.path).type.name
        return {"Directory": "directory", "File": "file"}.get(name, "nothing")

    def entries(self) -> Iterator[tuple[str, bool]]:
        """The names in this directory, and whether each is a directory; none if there is no such directory.

        Raises:
            BatchError: it can't be listed.
        """
        if self.local:  # one by one, never all at once
            with _explained(self):
                yield from directories.scan(self.path)
            return
        from pyarrow import fs  # noqa: PLC0415  an extra

        with _explained(self):
            for info in self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True)):
                yield info.base_name, info.type == fs.FileType.Directory

    def is_link(self) -> bool:
        """Whether this is a link to a directory, which may lead in a circle."""
        return self.local and directories.is_link(self.path)

    def open(self) -> Any:
        """A file opened for reading, which can seek.

        Raises:
            BatchError: it can't be.
        """
        with _explained(self):
            return self.filesystem.open_input_file(self.path)

    def read(self) -> bytes:
        """The contents of a small file.

        Raises:
            BatchError: it can't be read.
        """
        with self.open() as file, _explained(self):
            return bytes(file.read())

    def write(self, data: Any) -> None:
        """Write a file, whole or not at all.

        On this machine it is written under another name, synced and renamed. In object storage it is a single
        stream, which appears when it is closed and not before.

        Raises:
            BatchError: the storage refuses.
        """
        with _explained(self):
            if not self.local:
                # The data is complete before the stream is opened: closing it early would publish half of it.
                stream = self.filesystem.open_output_stream(self.path)
                stream.write(data)
                stream.close()
                return
            path = Path(self.path)
            private.make_directory(path.parent)
            files.write(path, data)
            if os.name == "posix":
                directory = os.open(path.parent, os.O_RDONLY)
                try:
                    os.fsync(directory)
                finally:
                    os.close(directory)

    def delete(self) -> None:
        """Remove a file.

        Raises:
            BatchError: the storage refuses.
        """
        with _explained(self):
            self.filesystem.delete_file(self.path)


@contextmanager
def fetched(address: str, scratch: Path, *, max_bytes: int) -> Iterator[Path]:
    """A recording as a file on this machine; one from elsewhere is in `scratch` for the length of the block.

    Raises:
        AudioError: it doesn't exist, can't be read, or is larger than `max_bytes`.
    """
    if not is_remote(address):
        yield Path(address)
        return
    path = scratch / secrets.token_hex(8)
    try:
        with private.create(path) as file:
            if address.startswith(("http://", "https://")):
                _download(address, file, max_bytes)
            else:
                with Place.of(address).open() as source:
                    _copy(source, file, max_bytes)
        yield path
    except BatchError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise RecordingNotFoundError("no such file", address) from error
        raise UnreadableAudioError(str(error).removeprefix(f"{address}: "), address) from error
    except OSError as error:
        raise UnreadableAudioError(" ".join(str(error).split()), address) from error
    finally:
        path.unlink(missing_ok=True)


def _copy(source: Any, file: BinaryIO, max_bytes: int) -> None:
    if source.size() > max_bytes:
        raise TooLargeError(f"larger than the limit of {max_bytes} bytes (raise it with EMOVOX_MAX_FILE_SIZE)")
    shutil.copyfileobj(source, file, BLOCK)


def _download(address: str, file: BinaryIO, max_bytes: int) -> None:
    import httpx  # noqa: PLC0415  few manifests have web addresses

    try:
        with httpx.stream("GET", address, follow_redirects=True, timeout=60) as response:
            if not response.is_success:
                raise UnreadableAudioError(
                    f"the server answered {response.status_code} {response.reason_phrase}".rstrip(), address
                )
            for block in response.iter_bytes():
                if file.tell() + len(block) > max_bytes:
                    raise TooLargeError(f"larger than the limit of {max_bytes} bytes (EMOVOX_MAX_FILE_SIZE)")
                file.write(block)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnreadableAudioError(" ".join(str(error).split()), address) from error


@lru_cache(maxsize=64)
def _filesystem(scheme: str, authority: str) -> tuple[Any, str]:
    """The file system behind `scheme://authority`, and how paths in it begin."""
    from pyarrow import fs  # noqa: PLC0415  an extra

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if scheme == "s3" and endpoint:  # Arrow doesn't read it
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return fs.S3FileSystem(endpoint_override=endpoint, region=region), authority
    if scheme == "az":
        account = os.environ.get("AZURE_STORAGE_ACCOUNT")
        if not account:
            raise ValueError("set AZURE_STORAGE_ACCOUNT to the account's name")
        return fs.AzureFileSystem(account, account_key=os.environ.get("AZURE_STORAGE_KEY")), authority
    if scheme in {"http", "https"}:
        raise ValueError("web addresses can't be listed: give a manifest of them")
    limit = f"?retry_limit_seconds={RETRIES}" if scheme in {"gs", "gcs"} else ""
    try:
        found: tuple[Any, str] = fs.FileSystem.from_uri(f"{scheme}://{authority}{limit}")
    except ValueError as error:
        if "Unrecognized filesystem type" not in str(error):
            raise
        raise ValueError("unknown kind of storage: choose s3://, gs://, az:// or hf://") from error
    return found


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    from pyarrow import ArrowException  # noqa: PLC0415  an extra

    try:
        yield
    except FileNotFoundError as error:
        raise BatchError(f"{place.address}: no such file") from error
    except ArrowException as error:  # such as Azure's library raises without a login
        raise BatchError(f"{place.address}: {' '.join(str(error).split())}") from error
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise BatchError(f"{place.address}: {reason}") from error


@contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Keep a second run out of the directory.

    Raises:
        BatchError: there is another run, or the directory can't be written.
    """
    try:
        private.make_directory(out)
        lock = FileLock(out / ".lock", mode=private.lock_mode(out / ".lock"), thread_local=False)
        lock.acquire(blocking=False)
    except Timeout:
        raise BatchError(f"{out}: another batch is writing to this output") from None
    except FileExistsError:
        raise BatchError(f"{out}: a file, not a directory") from None
    except OSError as error:
        raise BatchError(f"{out}: {error.strerror or error}") from error
    with lock:
        lock.release()
        yield
