# The image of every process of ours: worker, console and the commands. docs/deployment.md says how it is built
# and what of it is untested. Nothing secret is in it, and nothing is written outside of /var/lib/hitl and /tmp.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
    PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/hitl
# What we need, apart from what we wrote: this layer lasts until a version changes. Wheels only, nothing is
# compiled; constraints.txt names every version.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print('\n'.join(p['dependencies'] + [n for e in ('oidc', 'registry', 'tracing') for n in p['optional-dependencies'][e]]))" > needed.txt \
 && python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-compile --only-binary=:all: -c constraints.txt -r needed.txt \
 && /opt/venv/bin/pip uninstall --yes pip setuptools \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib \
 && rm needed.txt pyproject.toml constraints.txt
COPY app app
COPY schemas schemas
COPY policies policies
COPY deploy/*.py deploy/
COPY topics.yaml ./
# Compiled here: the file system of a running container is read-only. By content (the packages above, too), so that
# the same source gives the same image.
RUN python -m compileall -q --invalidation-mode unchecked-hash app deploy \
 && printf '#!/opt/venv/bin/python\nfrom app.__main__ import main\n\nmain()\n' > /opt/venv/bin/hitl \
 && chmod 755 /opt/venv/bin/hitl

FROM python:3.11.14-slim-bookworm
# Nothing installs anything here. The library comes without compiled files, and a read-only container would compile
# it at each start and each healthcheck. useradd notes the day, unless told another.
RUN PYTHONDONTWRITEBYTECODE=1 pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
 && PYTHONHASHSEED=0 python -m compileall -q -x /tests/ --invalidation-mode unchecked-hash /usr/local/lib/python3.11 \
 && groupadd --gid 10001 hitl \
 && SOURCE_DATE_EPOCH=0 useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/hitl --shell /usr/sbin/nologin hitl \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/hitl
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/hitl PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HITL_METRICS_PORT=9464
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/hitl /opt/hitl
WORKDIR /var/lib/hitl
USER 10001:10001
EXPOSE 8080 9464
# A worker's; the console has one of its own in docker-compose.yml.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['HITL_METRICS_PORT'] + '/metrics', timeout=4)"]
ENTRYPOINT ["hitl"]
CMD ["--help"]
