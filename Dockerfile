FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY server server
COPY generated generated
RUN python -m venv /opt/wattbus \
 && /opt/wattbus/bin/pip install --no-cache-dir --constraint constraints.txt ".[telemetry]"

FROM python:3.13-slim
RUN useradd --system --create-home --home-dir /var/lib/wattbus wattbus
COPY --from=build /opt/wattbus /opt/wattbus
ENV PATH=/opt/wattbus/bin:$PATH PYTHONUNBUFFERED=1
USER wattbus
WORKDIR /var/lib/wattbus
VOLUME /var/lib/wattbus
EXPOSE 50051 8080
# The gRPC port needs TLS (WATTBUS_TLS__*) or WATTBUS_ALLOW_PLAINTEXT=true behind a proxy that adds it.
ENV WATTBUS_GRPC_HOST=0.0.0.0 WATTBUS_HTTP_HOST=0.0.0.0
HEALTHCHECK --interval=10s --timeout=3s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["wattbus"]
CMD ["serve"]
