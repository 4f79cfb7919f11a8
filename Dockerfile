# The processor:  docker build -t pixfoundation .
# CUDA:           docker build -t pixfoundation:cuda --build-arg BACKEND=cu130 .
#
# Versions are those of constraints.txt; BACKEND chooses the build of torch (names of uv's
# --torch-backend). docs/how-to/install.md shows how the image is run.

FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN uv build --wheel --out-dir /dist

FROM python:3.11-slim
ARG BACKEND=cpu
COPY --from=build /dist /dist
COPY constraints.txt ./
RUN pip install --no-cache-dir uv \
    && sed -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton/d' constraints.txt > others.txt \
    && if [ "$BACKEND" = cpu ]; then mv others.txt constraints.txt; fi \
    && uv pip install --system --no-cache --torch-backend "$BACKEND" -c constraints.txt \
        "$(ls /dist/*.whl)[demo,data,judge]" \
    && pip uninstall -y uv \
    && rm -rf /dist constraints.txt others.txt \
    && useradd --create-home researcher
USER researcher
WORKDIR /home/researcher
# Weights and datasets are kept outside the image: mount a volume here.
ENV HF_HOME=/home/researcher/cache PIXFOUNDATION_DATA=/home/researcher/data
ENTRYPOINT ["pixfoundation"]
CMD ["doctor"]
