"""The remote that `make pull` takes from the environment."""

from tools import set_remote


def test_the_secret_is_what_the_kind_of_remote_calls_it() -> None:
    def options(**given: str) -> dict[str, str | bool]:
        named = set_remote.options({f"DVC_REMOTE_{name.upper()}": value for name, value in given.items()})
        assert named.pop("verify") is True
        return named

    s3 = {"url": "s3://redacoes/dvc", "access_key_id": "ana", "secret_access_key": "segredo"}
    assert options(url="s3://redacoes/dvc", user="ana", secret="segredo") == s3
    endpoint = options(url="s3://redacoes/dvc", user="ana", secret="segredo", endpoint="https://s3.example.org")
    assert endpoint == s3 | {"endpointurl": "https://s3.example.org"}
    for url in ("ssh://example.org/dvc", "webdavs://example.org/dvc"):
        assert options(url=url, user="ana", secret="segredo") == {"url": url, "user": "ana", "password": "segredo"}
    key = options(url="ssh://example.org/dvc", user="ana", secret=f"-----BEGIN OPENSSH PRIVATE {'KEY'}-----\n")
    assert key == {"url": "ssh://example.org/dvc", "user": "ana", "keyfile": str(set_remote.KEY.absolute())}
    assert options(url="https://example.org/dvc") == {"url": "https://example.org/dvc"}
