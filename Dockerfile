# vos in a container; build arguments say for which device: docs/use/docker.md.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
# CUDA's images have no Python.
RUN command -v python3 >/dev/null && python3 -c "import venv, ensurepip" || \
    (apt-get update && apt-get install -y --no-install-recommends python3 python3-venv)
RUN python3 -m venv /opt/vos
ENV PATH=/opt/vos/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY constraints.txt ./
# sam2 is published as source only and its build imports torch, so torch goes in first.
# An index of CPU builds makes the image 4 GB smaller: docs/use/docker.md.
ARG TORCH_INDEX=
RUN grep -E "^(torch|torchvision)==" constraints.txt > torch.txt && \
    pip install -r torch.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
RUN pip install -c constraints.txt setuptools wheel hatchling
RUN SAM2_BUILD_CUDA=0 pip install --no-build-isolation -c constraints.txt sam2
COPY pyproject.toml README.md LICENSE NOTICE CHANGELOG.md ./
COPY configs configs
COPY vos vos
COPY cli cli
COPY eval eval
RUN pip install --no-build-isolation -c constraints.txt ".[studio,deliver]"

FROM ${BASE}
RUN command -v python3 >/dev/null || \
    (apt-get update && apt-get install -y --no-install-recommends python3 && \
    rm -rf /var/lib/apt/lists/*)
COPY --from=build /opt/vos /opt/vos
# A home that any user may write to, as `docker run --user` names one that the image does not know.
RUN useradd --uid 10001 --home-dir /home/vos vos && install -d -m 1777 /home/vos /work
ENV PATH=/opt/vos/bin:$PATH HOME=/home/vos VOS_MODELS=/home/vos/models PYTHONUNBUFFERED=1
USER vos
WORKDIR /work
ENTRYPOINT ["vos"]
CMD ["--help"]
