"""Set this clone's default remote from the environment: python -m tools.set_remote, run by `make pull`.

It is for unattended machines, and writes .dvc/config.local, which git ignores. DVC_REMOTE_URL is the address of the
remote (s3://, ssh://, webdavs://, https:// or a folder), DVC_REMOTE_USER its user or the id of its access key,
DVC_REMOTE_SECRET the password, the secret access key or the text of a private SSH key, and DVC_REMOTE_ENDPOINT the
address of an S3 server other than Amazon's. Without DVC_REMOTE_URL nothing changes.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dvc.config import Config, ConfigError

NAME = "review"
KEY = Path(".dvc/tmp/review.key")


def options(environment: Mapping[str, str]) -> dict[str, str | bool]:
    """Return the options of the remote, named as DVC names them for its type."""
    url, user, secret, endpoint = (
        environment.get(f"DVC_REMOTE_{name}", "") for name in ("URL", "USER", "SECRET", "ENDPOINT")
    )
    kind = url.partition("://")[0] if "://" in url else ""
    named: dict[str, str | bool] = {"url": url, "verify": True}  # rehash pulled files
    if kind == "s3":
        named |= {"access_key_id": user, "secret_access_key": secret, "endpointurl": endpoint}
    elif "PRIVATE KEY" in secret:
        named |= {"user": user, "keyfile": str(KEY.absolute())}
    elif kind:
        named |= {"user": user, "password": secret}
        if kind in {"http", "https"} and secret:
            named["auth"] = "basic"
    return {name: value for name, value in named.items() if value != ""}


def main() -> None:
    """Write .dvc/config.local, and the private key beside it if the secret is one."""
    if not os.environ.get("DVC_REMOTE_URL"):
        return
    os.umask(0o077)
    remote = options(os.environ)
    if foreign := [name for name, value in remote.items() if not str(value).isascii()]:
        sys.exit(f"error: DVC keeps its configuration in ASCII, and {foreign[0]} of the remote has other characters")
    if "keyfile" in remote:
        KEY.parent.mkdir(parents=True, exist_ok=True)
        KEY.write_text(os.environ["DVC_REMOTE_SECRET"].strip() + "\n", encoding="utf-8")
    try:
        with Config.from_cwd(validate=False).edit("local") as config:
            config.setdefault("core", {})["remote"] = NAME
            config.setdefault("remote", {})[NAME] = remote
    except ConfigError as error:
        sys.exit(f"error: DVC_REMOTE_URL and what goes with it make no remote: {error}")


if __name__ == "__main__":
    main()
