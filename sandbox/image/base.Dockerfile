# The base where an image registry is reachable; build.sh makes the same with mmdebstrap elsewhere.
FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 tzdata \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/*
