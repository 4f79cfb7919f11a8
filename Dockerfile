# The processor:  docker build -t pixfoundation .
# CUDA:           docker build -t pixfoundation:cuda --build-arg BACKEND=cu130 .
#
# Versions are those of constraints.txt; BACKEND chooses the build of torch (names of uv's
# --torch-backend). docs/how-to/install.md shows how the image is run.

FROM python:3.11-slim AS build
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir -c constraints.txt uv
COPY src src
RUN uv build --wheel --out-dir /dist

FROM python:3.11-slim
ARG BACKEND=cpu
WORKDIR /install
COPY constraints.txt ./
COPY --from=build /dist ./
RUN pip install --no-cache-dir -c constraints.txt uv \
    && set -- *.whl \
    && uv pip install --system --no-cache --torch-backend "$BACKEND" -c constraints.txt \
        "./$1[demo,data,judge]" \
    && pip uninstall -y uv \
    && rm -rf /install/* \
    && useradd --create-home researcher \
    && chmod 777 /home/researcher
USER researcher
WORKDIR /home/researcher
# HOME and USER hold for `docker run --user`, too, whose number has no name in the image.
# Weights and datasets are kept outside the image: mount a volume here.
ENV HOME=/home/researcher USER=researcher \
    HF_HOME=/home/researcher/cache PIXFOUNDATION_DATA=/home/researcher/data
ENTRYPOINT ["pixfoundation"]
CMD ["doctor"]
