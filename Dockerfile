# The page (redacoes app) with a trained model: dvc pull models/scorer models/decision.json; docker build -t redacoes .
# Another model: docker build --build-arg MODEL=FOLDER . with a `!FOLDER` in .dockerignore; a published one or an export
# holds its own decision rule. Run it: docker run --rm -p 127.0.0.1:7860:7860 redacoes

FROM python:3.11.14-slim-bookworm AS build
ENV UV_PROJECT_ENVIRONMENT=/app/.venv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/uv python -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir "$(grep -o 'uv==[0-9.]*' pyproject.toml)" \
    && /opt/uv/bin/uv sync --frozen --no-dev --no-install-project --extra app --python /usr/local/bin/python
COPY redacoes redacoes
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --frozen --no-dev --no-editable --extra app --python /usr/local/bin/python

FROM python:3.11.14-slim-bookworm
RUN useradd --uid 10001 --create-home redacoes
WORKDIR /app
COPY --from=build /app/.venv .venv
ARG MODEL=models/scorer
COPY ${MODEL} models/scorer
COPY models/decision.json models/decision.json
COPY dvc.lock dvc.lock
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
CMD ["redacoes", "app", "--host", "0.0.0.0", "--port", "7860"]
