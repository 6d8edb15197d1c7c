# Tracking on a CPU, without torch: docker build -t clmot . && docker run --rm -v "$PWD:/data" clmot track street.mp4
FROM python:3.12-slim-bookworm

WORKDIR /opt/clmot
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m pip install --no-cache-dir --upgrade "pip>=25.1" \
    && python -m pip install --no-cache-dir --constraint constraints.txt --group lite \
    && python -m pip install --no-cache-dir "starlette>=0.40" "uvicorn>=0.30" "python-multipart>=0.0.9" \
    && python -m pip install --no-cache-dir --no-deps .

RUN useradd --create-home clmot
USER clmot
WORKDIR /data
ENTRYPOINT ["clmot"]
CMD ["--help"]
