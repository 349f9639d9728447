# The base where an image registry is reachable; build.sh makes the same with mmdebstrap elsewhere.
# Wheels bring what they need but the C++ library.
FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 tzdata libstdc++6 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/*
