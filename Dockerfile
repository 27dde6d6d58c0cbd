# The page in a container: docker build -t redacoes . && docker run --rm -p 7860:7860 redacoes
# Before that, dvc pull (or dvc repro) lays out models/, which is copied in. The base image's tag moves with each
# patch of Python 3.11; a digest (FROM …@sha256:…) would keep it from being replaced under that tag.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    UV_NO_CACHE=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    PATH=/app/.venv/bin:$PATH

RUN useradd --create-home --uid 1000 app && mkdir /app && chown app:app /app
WORKDIR /app
USER 1000

# what changes seldom comes first, so that a change of the code installs no packages again
COPY --chown=app:app pyproject.toml uv.lock README.md LICENSE ./
RUN python -m venv /tmp/uv \
    && /tmp/uv/bin/pip install --no-cache-dir --quiet "$(grep -o 'uv==[0-9.]*' pyproject.toml)" \
    && /tmp/uv/bin/uv sync --frozen --no-dev --extra app --no-install-project --python "$(command -v python)"
COPY --chown=app:app redacoes ./redacoes
RUN /tmp/uv/bin/uv sync --frozen --no-dev --extra app --no-editable --python "$(command -v python)"

# the model, and what the page says of it
COPY --chown=app:app params.yaml packages.json dvc.yaml dvc.lock ./
COPY --chown=app:app metrics ./metrics
COPY --chown=app:app models/scorer ./models/scorer
COPY --chown=app:app models/decision.json ./models/decision.json
COPY --chown=app:app models/surface ./models/surface

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
CMD ["redacoes", "app", "--host", "0.0.0.0", "--port", "7860"]
