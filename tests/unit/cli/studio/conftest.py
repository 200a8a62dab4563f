"""The page's server for tests, where the extra `studio` is installed."""

from importlib.util import find_spec

if find_spec("fastapi") and find_spec("httpx2"):
    from studio_session import clip, guard, page, session, visitor

    __all__ = ["clip", "guard", "page", "session", "visitor"]
